"""What *Which one?* shows of the stored experiments is what is stored."""

import re
from statistics import fmean

import pytest

from attention_lib.measure import store
from tools.pages import experiments as pages

SETTINGS = dict(device="cpu", test_sides=[8, 12], seeds=[5, 6])
SOURCE = {"tools.experiments.mixing.other_sizes": "abc"}


def payload(*runs: dict, **settings) -> dict:
    plugs = {name: {} for name in [*(run["plug"] for run in runs), "never run"]}
    where = dict(source=SOURCE, processor="P", date="2026-01-02T03", command="make x")
    return dict(plugs=plugs, runs=list(runs), settings=SETTINGS | settings, provenance=where)


def rows(text: str) -> list[list[str]]:
    """The cells of a list-table."""
    body = text.split("\n* - ")[1:]
    split = [row.replace("\N{NO-BREAK SPACE}", " ").split("\n  - ") for row in body]
    return [[cell.strip().removesuffix("\n```") for cell in row] for row in split]


def test_a_cell_is_the_mean_with_the_lowest_and_the_highest():
    found = pages.results(
        payload(
            dict(plug="a", seed=5, task="near", accuracy=0.5),
            dict(plug="a", seed=6, task="near", accuracy=0.75),
            dict(plug="a", seed=5, task="far", accuracy=1.0),
            dict(plug="b", seed=5, task="near", accuracy=0.201),
        )
    )
    assert rows(found) == [
        ["Trained", "near", "far"],
        ["a", "0.62 (0.50 to 0.75)", "1.00"],
        ["b", "0.20", "not run"],
    ]


def test_sizes_are_columns_and_what_is_refused_is_said():
    runs = [
        dict(plug="a", seed=seed, task="step", accuracy=one, accuracies=[one, None])
        for seed, one in ((5, 0.5), (6, 0.25))
    ]
    assert rows(pages.results(payload(*runs))) == [
        ["Trained", "step, 8 pixels a side", "step, 12 pixels a side"],
        ["a", "0.38 (0.25 to 0.50)", "refused"],
    ]


def test_decibel_and_widths_have_their_words():
    runs = [dict(plug="a", seed=5, task="t", dim=dim, decibel=dim / 3) for dim in (32, 256)]
    assert rows(pages.results(payload(*runs, dims=[32, 256])))[1:] == [["a", "10.7", "85.3"]]
    assert rows(pages.results(payload(dict(plug="a", seed=5, precision=0.5)))) == [
        ["Trained", "Mean average precision"],
        ["a", "0.50"],
    ]


def test_of_several_devices_the_newest_is_shown_once(monkeypatch):
    older, newer = (payload(dict(plug="a", seed=5, accuracy=one)) for one in (0.25, 0.75))
    older["provenance"]["date"] = "2026-01-01T03"
    bench = dict(sweeps=[], provenance=dict(date="2027"))
    for devices in ([older, newer], [newer, older]):
        stored = {"mixing-sizes": devices, "mixing-bench": [bench]}
        monkeypatch.setattr(store, "load_all", lambda stored=stored: stored)
        assert pages.trained() == {"mixing-sizes": newer}
        text = pages.experiments_page()
        assert text.count(f'id="{pages.anchor("mixing-sizes")}"') == 1
        assert "0.75" in text and "0.25" not in text


@pytest.mark.parametrize("name", sorted(pages.trained()))
def test_a_stored_experiment_is_shown_with_its_question(name):
    text = pages.experiments_page()
    fold = text.partition(f'<span id="{pages.anchor(name)}"></span>')
    question = fold[0].rpartition("<summary>")[2].partition("</summary>")[0]
    assert re.fullmatch(r"[A-Z][^:]*: [A-Z].*\?", question), f"{question!r} asks nothing"
    stored = max(store.load(name), key=lambda payload: payload["provenance"]["date"])
    shown = {row[0]: row[1:] for row in rows(fold[2].partition("```\n")[0])[1:]}
    assert shown.keys() == {run["plug"] for run in stored["runs"]}
    for plug, cells in shown.items():
        if "task" not in stored["runs"][0] and len(cells) == 1:  # else asked by hand, above
            runs = [run for run in stored["runs"] if run["plug"] == plug]
            [merit, *_] = [merit for merit in pages.MERITS if merit in runs[0]]
            mean = fmean(run[merit] for run in runs)
            assert cells[0].startswith(f"{mean:.{pages.MERITS[merit][1]}f}")


def test_there_are_experiments():
    assert {"mixing-where", "channel-experiment"} <= pages.trained().keys()
