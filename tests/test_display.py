"""What pages show is what the library knows."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from attention_lib import check, create, find, measure
from attention_lib.advice import Need, recommend
from attention_lib.catalog import FAMILIES, catalog, every_card
from attention_lib.channel import SqueezeExcitation
from attention_lib.measure.order import big_o
from attention_lib.measure.sweep import sweep
from attention_lib.measure.timing import peak_memory
from attention_lib.teaching import display
from attention_lib.teaching.exercises import judge
from tools.pages.mechanism import evidence

SE, MAPS = SqueezeExcitation(8, reduction=2), torch.ones(1, 8, 4, 4)


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_a_card_shows_its_facts(card):
    page = display.card(str(card))
    grown = big_o(card, "macs") or "none counted"
    for fact in (card.title, card.summary, *card.oracles, grown, big_o(card, "touched")):
        assert fact in page
    assert page._repr_markdown_() == repr(page) == page


def test_a_network_is_shown_without_costs_that_nobody_declares():
    page = display.card("resnet")
    assert "Takes x (" in page and "multiply-adds" not in page
    with pytest.raises(ValueError, match="ResNet declares no formula for macs"):
        find("resnet").cost("macs")


def test_costs_are_worked_out_with_the_papers_values():
    page = display.card("se", channels=256, height=56, width=56)
    assert f"{2 * 256 * 16 + 256 + 16:,}" in page  # r = 16, not that of the small example
    assert "at channels = 256, height = 56, width = 56" in page


def test_a_width_that_follows_from_another_is_that_of_the_sizes_shown():
    page = display.card("a2", channels=512, height=32, width=32)
    params = sum(p.numel() for p in create("a2", channels=512).parameters())
    assert f"| {params:,} |" in page, "m and n are not those of the small example"


def test_a_cost_grows_as_that_of_the_arguments_it_is_shown_at():
    simple, full = (display.card("aft", tokens=9, **given) for given in ({}, dict(max_tokens=9)))
    assert "$O(N d^{2})$" in simple and "$O(N d^{2} + N^{2} d + N^{2} r)$" in full


def test_properties_are_split_into_kept_and_not_kept():
    kept = [line for line in display.card("se").splitlines() if "- Measured" in line]
    assert len(kept) == 1 and kept[0].startswith("- Measured, and holds: ")
    assert "only attenuates" in kept[0]
    [missed] = [line for line in display.card("epsa").splitlines() if "- Measured" in line]
    assert missed.startswith("- Measured, and does not hold: ")


def test_a_source_is_quoted_without_indentation():
    page = display.source(SqueezeExcitation.forward)
    assert page.startswith("```python\n@shaped\ndef forward(self, x: Maps) -> Maps:")
    assert page.endswith("return self.gate(x)[..., None, None] * x\n```")


def test_a_table_aligns_numbers_and_keeps_bars():
    page = display.table(
        [
            {"name": "a|b", "count": 1234567, "share": 0.123456},
            {"name": "c", "count": 7, "share": 8192.0},
        ]
    )
    assert page.splitlines() == [
        "| name | count | share |",
        "| :--- | ---: | ---: |",
        r"| a\|b | 1,234,567 | 0.1235 |",
        "| c | 7 | 8,192 |",
    ]
    with pytest.raises(ValueError, match="at least one row"):
        display.table([])


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (torch.tensor([[1.0, -1e-9], [0.25, 10.0]]), "[[1.000, 0.000], [0.250, 10.000]]"),
        (torch.tensor([1.0, 0.9999999]), "[1.000, 1.000]"),  # torch: [1.0000, 1.0000]
        (torch.tensor([1.0, 1.0]), "[1.000, 1.000]"),  # torch: [1., 1.]
        (torch.tensor([1e-9, 1e9]), "[0.000, 1000000000.000]"),  # torch: [1.0000e-09, 1.0000e+09]
        (torch.tensor([torch.nan, torch.inf, -torch.inf]), "[nan, inf, -inf]"),
        (torch.tensor([0.5, -0.0], dtype=torch.float16), "[0.500, 0.000]"),
        (torch.tensor([0.5], dtype=torch.bfloat16), "[0.500]"),
        (torch.tensor([2.0], requires_grad=True), "[2.000]"),
        (torch.tensor(7.0), "7.000"),
        (torch.tensor(7), "7"),
        (torch.tensor([True, False]), "[True, False]"),
        (torch.zeros(2, 0), "[[], []]"),
        (torch.zeros(0), "[]"),
        (np.array([1.5, -2.25]), "[1.500, -2.250]"),
        (np.float32(0.1), "0.100"),
        ([1, 0.5, (True, torch.tensor([2.0]))], "[1, 0.500, [True, [2.000]]]"),
        (-0.0, "0.000"),
        (3, "3"),
    ],
)
def test_the_layout_of_numbers_is_that_of_their_shape(values, shown):
    assert display.numbers(values) == shown


def test_decimals_are_chosen_and_other_things_refused():
    assert display.numbers([6.0, 16.0], digits=0) == "[6, 16]"
    with pytest.raises(TypeError, match="real numbers, got complex: 1j"):
        display.numbers([1j])
    with pytest.raises(TypeError, match="got str: 'one'"):
        display.numbers("one")


def test_a_family_lists_all_its_mechanisms():
    page = display.family("channel")
    assert all(f"`{card}`" in page for card in catalog("channel"))


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_every_paper_is_in_the_bibliography(card):
    """Our short reader of the bibliography agrees with pybtex."""
    from pybtex.database import parse_file

    entry = display.reference(card.paper, parse_file("book/references.bib").entries)
    cited = display.citation(card.paper)
    assert entry.fields.get("eprint", entry.fields.get("url")) in cited
    assert entry.fields["year"] in cited and entry.persons["author"][0].last_names[0] in cited
    assert entry.fields["title"].replace("{", "").replace("}", "") in cited
    assert card.source == ("repository" if "https://github.com/" in cited else "paper")


def test_a_paper_that_is_missing_is_named():
    with pytest.raises(ValueError, match="no paper 'nobody2000': add it to book/"):
        display.citation("nobody2000")


def test_a_paper_that_is_not_on_arxiv_links_to_its_url():
    link = "(https://proceedings.mlr.press/v139/yang21o.html)"
    assert display.citation("yang2021simam", short=True) == f"[Yang et al. 2021]{link}"
    assert display.citation("yang2021simam").endswith(f"Neural Networks]{link}, 2021")


@pytest.mark.parametrize(
    "show",
    [
        lambda: [display.card(card) for card in every_card()],
        lambda: [display.family(name) for name in FAMILIES],
        lambda: measure(SE, MAPS),
        lambda: check(SE),
        lambda: sweep(["se"], "height,width", [4], seconds=0.01),
        lambda: peak_memory(lambda: SE(MAPS), "cpu"),
        lambda: recommend(Need("maps", features=8, height=4, width=4)),
        lambda: judge("channel 1", lambda *given: given),
    ],
    ids=["card", "family", "measure", "check", "sweep", "memory", "advice", "judge"],
)
def test_what_only_shows_or_measures_leaves_random_numbers_alone(show):
    """Or a chapter's random numbers would hang on how its pictures and tables are made."""
    before = torch.get_rng_state()
    show()
    assert torch.equal(torch.get_rng_state(), before)


def test_evidence_says_what_vouches():
    assert "timm.layers.SEModule" in display.evidence(find("se"))
    assert "somebody else" in display.evidence(find("epsa"))


def test_a_stamp_names_preset_and_versions():
    stamp = display.stamp("ci", "cpu")
    assert "`ci`" in stamp and torch.__version__ in stamp


@pytest.mark.parametrize(
    ("preset", "device", "said"),
    [
        ("CI", "cpu", "no preset 'CI'; there are ci, laptop, t4, big"),
        (None, "cpu", "no preset None; there are ci, "),
        ("ci", "gpu", "device='gpu' must be cpu or cuda"),
        ("ci", None, "device=None must be cpu or cuda"),
        ("ci", "cuda:99", "device='cuda:99', but torch sees no GPU of that number here"),
    ],
)
def test_a_stamp_refuses_what_is_not_there(preset, device, said):
    with pytest.raises(ValueError, match=f"^{said}"):
        display.stamp(preset, device)


@pytest.mark.parametrize(
    ("oracles", "said"),
    [
        ((), "by somebody else than the class"),
        (("timm.layers.SEModule",), "written from the paper, and to `timm.layers.SEModule`"),
        (("fightingcv_attention.attention.A.A",), "than the class, and to `fightingcv_attention."),
    ],
)
def test_weak_evidence_is_called_that(oracles, said):
    card = replace(find("se"), oracles=oracles)
    text = display.evidence(card)
    assert said in text and ("weak" in text) == (card.proven_by == "related package")
    assert ("weak" in evidence(card)) == (card.proven_by == "related package")
    assert ("had not seen the class" in evidence(card)) == (card.proven_by != "independent package")
