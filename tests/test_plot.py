"""Figures: what they show is what they were given, and every mechanism looks like itself."""

import io
from dataclasses import dataclass
from itertools import combinations, product

import matplotlib
import pytest
import torch
from matplotlib.colors import to_rgb

from attention_lib.catalog import catalog
from attention_lib.measure.growth import interval
from attention_lib.teaching import plot
from attention_lib.teaching.data import picture
from attention_lib.teaching.plot import costs, style

matplotlib.use("agg")

NAMES = [
    "SqueezeExcitation", "EfficientChannelAttention", "SelectiveKernel", "PyramidSplitAttention"
]  # fmt: skip
ROWS = [
    dict(mechanism=name, axis="height,width", size=n, macs=0, seconds=1e-6 * n**power,
         seconds_low=0.9e-6 * n**power, seconds_high=1.2e-6 * n**power)
    for n, (name, power) in product((8, 16, 32, 64, 128), zip(NAMES, (1, 2, 1.5, 2.5), strict=True))
]  # fmt: skip
RUNS = [
    dict(task=task, variant=variant, seed=seed, accuracy=at + seed / 100, seconds=1.0, params=9)
    for task in ("channel cue", "local marker")
    for variant, at in (("none", 0.6), ("se", 0.9), ("EfficientChannelAttention", 0.8))
    for seed in range(3)
]


def png(figure):
    held = io.BytesIO()
    figure.savefig(held, format="png")
    return held.getvalue()


def brightness(colour):
    """Relative luminance, as the web's contrast rules have it."""
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.whole_catalog
def test_a_mechanism_looks_the_same_by_any_name():
    for card in catalog():
        assert all(
            plot.look(alias) == plot.look(str(card)) for alias in (card.stem, card.aliases[0])
        )


@dataclass(frozen=True)
class Fake:
    """As much of a card as a figure needs."""

    family: str
    place: int

    def __str__(self):
        return f"{self.family}-{self.place}"

    title = property(__str__)
    aliases = property(lambda self: (str(self),))


@pytest.fixture
def many(monkeypatch):
    """A catalog of twelve families, of twenty mechanisms each."""
    families = [f"family{number}" for number in range(12)]
    cards = {str(card): card for card in (Fake(f, p) for f in families for p in range(20))}

    def find(name):
        if name not in cards:
            raise ValueError(name)
        return cards[name]

    for room in (style, costs):
        monkeypatch.setattr(room, "FAMILIES", families)
        monkeypatch.setattr(room, "find", find)
    monkeypatch.setattr(style, "catalog", lambda f: [c for c in cards.values() if c.family == f])
    return list(cards)


def test_of_eight_in_a_family_colour_marker_and_stroke_each_tell_apart(many):
    looks = [plot.look(name) for name in many[:8]]
    for what in ("color", "marker", "linestyle"):
        assert len({look[what] for look in looks}) == len(looks), what


def test_a_family_may_have_any_number_of_mechanisms(many):
    looks = [plot.look(name) for name in many[:20]]
    assert all(a != b for a, b in combinations(looks, 2))


def test_in_a_figure_no_two_look_alike_and_the_first_look_as_ever(many):
    names = [name for name in many if name.endswith(("-0", "-8"))]
    looks = [plot.look(name, names) for name in names]
    assert len(looks) == 24 and all(a != b for a, b in combinations(looks, 2))
    assert looks[0] == plot.look(names[0])
    assert plot.look(names[-1], names) != plot.look(names[-1]), "twelve families, eight markers"


def test_there_may_be_any_number_of_families(many):
    rows = [dict(mechanism=name, x=n + 1, y=n + 1) for n, name in enumerate(many[::20])]
    [axes] = plot.scatter(rows, "x", "y").axes
    drawn = {(line.get_color(), line.get_marker()) for line in axes.lines}
    assert len(drawn) == len(axes.lines) == 12
    shared = [dict(family=f"family{n}", name=f"family{n}-0", arithmetic=0.1, memory=0.9)
              for n in range(12)]  # fmt: skip
    assert [panel.get_title() for panel in plot.shares(shared).axes] == [
        row["family"] for row in shared
    ]


def test_colours_are_seen_on_white_and_told_apart_in_grey_by_marker():
    assert all(brightness(colour) < 0.5 for colour in (*style.COLOURS, *style.OTHERS))
    assert len(set(style.MARKERS)) == len(style.MARKERS) == len(style.STROKES)


def test_baselines_are_grey_and_differ():
    greys = [plot.look(name, ["none", "se", "timm"])["color"] for name in ("none", "timm")]
    assert greys[0] != greys[1]
    assert all(len(set(to_rgb(grey))) == 1 for grey in greys)


def test_lines_show_the_rows_and_their_exponents():
    figure = plot.lines(ROWS)
    [axes] = figure.axes
    for line, name in zip(axes.lines, NAMES, strict=True):
        wanted = [row["seconds"] for row in ROWS if row["mechanism"] == name]
        assert list(line.get_ydata()) == wanted and list(line.get_xdata()) == [8, 16, 32, 64, 128]
        assert line.get_color() == plot.look(name)["color"]
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert said[0] == "Squeeze-and-Excitation: 1.00 [1.00, 1.00]"
    assert "2.50" in said[3]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert axes.get_xlabel() == "height = width" and axes.get_ylabel() == "time"
    assert len(axes.collections) == len(NAMES), "a band each"


def test_too_few_sizes_give_no_exponent():
    few = [row for row in ROWS if row["size"] < 100]
    said = [text.get_text() for text in plot.lines(few).legends[0].get_texts()]
    assert said[0] == "Squeeze-and-Excitation"
    said = [text.get_text() for text in plot.lines(ROWS, fitted=False).legends[0].get_texts()]
    assert said[0] == "Squeeze-and-Excitation"


def test_dots_show_every_run_and_the_interval_of_the_mean():
    figure = plot.dots(RUNS, chance=0.1)
    first, second = figure.axes
    assert (first.get_title(), second.get_title()) == ("channel cue", "local marker")
    points, bar, mean = first.lines[3:6]  # of the second variant
    assert sorted(points.get_xdata()) == pytest.approx([0.9, 0.91, 0.92])
    assert [*mean.get_xdata(), *bar.get_xdata()] == pytest.approx(interval([0.9, 0.91, 0.92]))
    assert points.get_color() == plot.look("se")["color"]
    labels = [label.get_text() for label in first.get_yticklabels()]
    assert labels == ["none", "Squeeze-and-Excitation", "Efficient Channel Attention"]
    assert len(first.lines) == 3 * 3 + 1, "three variants and the line of chance"


GROWN = [
    dict(variant=variant, writes=n, accuracy=at / n + seed / 100, seed=seed)
    for variant, at in (("softmax", 1), ("aft", 2))
    for n in (8, 16)
    for seed in range(3)
]


def test_curves_show_the_means_and_their_intervals():
    [axes] = plot.curves(GROWN, "writes", chance=0.1).axes
    first, second, _ = axes.lines
    assert list(first.get_xdata()) == [8, 16]
    assert list(first.get_ydata()) == pytest.approx([1 / 8 + 0.01, 1 / 16 + 0.01])
    assert second.get_color() == plot.look("aft")["color"]
    top = axes.collections[0].get_paths()[0].vertices[:, 1].max()
    assert top == pytest.approx(interval([0.125, 0.135, 0.145])[2])
    assert axes.get_xscale() == "log" and axes.get_yscale() == "linear"


def test_bars_are_as_long_as_the_gates():
    figure = plot.bars({"se": {"red": 0.2, "green": 0.9}, "eca": {"red": 0.3, "green": 0.8}})
    [axes] = figure.axes
    assert [bar.get_width() for bar in axes.patches] == [0.2, 0.9, 0.3, 0.8]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["red", "green"]


def test_maps_show_pictures_and_maps():
    image = torch.rand(3, 5, 7)
    figure = plot.maps([image, image[0], image[1]], ["all", "red", "green"], limits=(0, 1))
    shown = [axes.images[0] for axes in figure.axes if axes.images]
    assert torch.equal(torch.tensor(shown[0].get_array()), image.permute(1, 2, 0))
    assert torch.equal(torch.tensor(shown[1].get_array().data), image[0])
    assert shown[1].get_clim() == (0, 1)
    assert [axes.get_title() for axes in figure.axes] == ["all", "red", "green"]


def test_weights_show_queries_down_and_keys_across():
    matrices = {"one": torch.rand(2, 3), "two": torch.rand(2, 3)}
    figure = plot.weights(matrices, ["a", "b"], ["x", "y", "z"])
    one, two = figure.axes
    assert torch.equal(torch.tensor(two.images[0].get_array().data), matrices["two"])
    assert one.images[0].get_clim() == two.images[0].get_clim() == (0, 1)
    assert (one.get_title(), one.get_xlabel(), one.get_ylabel()) == ("one", "key", "query")
    assert [label.get_text() for label in one.get_yticklabels()] == ["a", "b"]
    assert [label.get_text() for label in one.get_xticklabels()] == ["x", "y", "z"]
    [square, *unused] = plot.weights(dict.fromkeys("abcd", torch.eye(9)), columns=3).axes
    assert [label.get_text() for label in square.get_xticklabels()] == ["1", "4", "7"]
    assert [axes.axison for axes in unused] == [True] * 3 + [False] * 2
    [named] = plot.weights({"": torch.eye(2)}, ["a", "b"]).axes
    assert [label.get_text() for label in named.get_xticklabels()] == ["a", "b"]
    matrix = torch.tensor([[0.25, 0.75], [1.0, 0.0]])
    [axes] = plot.weights({"": matrix}, numbers=True).axes
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {(0, 0): "0.25", (1, 0): "0.75", (0, 1): "1.00", (1, 1): "0.00"}


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plot.lines(ROWS),
        lambda: plot.dots(RUNS),
        lambda: plot.curves(GROWN, "writes"),
        lambda: plot.bars({name: {"red": 0.5, "green": 0.5, "blue": 0.1} for name in NAMES}),
        lambda: plot.maps([picture(), *picture()[:, ::4, ::4]], columns=4),
        lambda: plot.weights({"one": torch.rand(5, 5), "two": torch.rand(5, 5)}, [*"abcde"]),
    ],
    ids=["lines", "dots", "curves", "bars", "maps", "weights"],
)
def test_a_figure_is_light_white_and_whole(draw):
    before = dict(matplotlib.rcParams)
    figure = draw()
    assert dict(matplotlib.rcParams) == before, "the reader's settings were changed"
    assert len(png(figure)) < 80 * 1024
    assert figure.get_facecolor() == (1, 1, 1, 1)
    whole = figure.bbox.padded(1)
    for axes in figure.axes:
        box = axes.get_tightbbox()
        assert whole.x0 <= box.x0 and box.x1 <= whole.x1, "cut off at the side"
        assert whole.y0 <= box.y0 and box.y1 <= whole.y1, "cut off above or below"
    for legend in figure.legends:
        assert legend.get_tightbbox().x1 <= whole.x1, "the legend is cut off"


def test_pyplot_forgets_the_figure():
    from matplotlib import pyplot

    plot.bars({"se": {"red": 0.2}})
    assert not pyplot.get_fignums(), "a notebook would show it twice"


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda: plot.lines([]), "no rows"),
        (lambda: plot.lines(ROWS, "time"), "no column 'time'; there are mechanism, axis, size"),
        (lambda: plot.dots([]), "no runs"),
        (lambda: plot.dots(RUNS, "loss"), "runs have no 'loss'; they have task, variant"),
        (lambda: plot.curves([], "writes"), "no runs"),
        (lambda: plot.curves(GROWN, "keys"), "runs have no 'keys'; they have variant, writes"),
        (lambda: plot.bars({}), "no bars"),
        (lambda: plot.bars({"se": {"a": 1}, "eca": {"b": 1}}), r"eca names \['b'\], se \['a'\]"),
        (lambda: plot.weights({}), "no weights"),
        (lambda: plot.weights({"a": torch.eye(2), "b": torch.eye(3)}), "differ in shape"),
        (lambda: plot.weights({"a": torch.eye(2)}, ["one"]), "1 names for 2 tokens"),
        (lambda: plot.maps([torch.rand(3, 3)], []), "1 images and 0 titles"),
        (lambda: plot.maps([torch.rand(4, 3, 3)]), r"got \(4, 3, 3\)"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, said):
    with pytest.raises(ValueError, match=said):
        draw()


def test_ratios_are_drawn_with_their_spread_largest_on_top():
    rows = [
        dict(name=name, series=series, ratio=ratio, low=ratio / 2, high=2 * ratio)
        for name, series, ratio in (("b", "x", 4.0), ("a", "x", 2.0), ("a", "y", 1.0))
    ]
    [axes] = plot.ratios(rows, "how much").axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    drawn = {}
    for container in axes.containers:
        line, _, [bars] = container
        ends = [[start[0], end[0]] for start, end in bars.get_segments()]
        drawn[container.get_label()] = sorted(zip(line.get_xdata().tolist(), ends, strict=True))
    assert drawn == {"x": [(2.0, [1.0, 4.0]), (4.0, [2.0, 8.0])], "y": [(1.0, [0.5, 2.0])]}
    assert axes.get_xscale() == "log"
    with pytest.raises(ValueError, match="no ratios"):
        plot.ratios([], "")


def test_shares_stand_at_their_place_in_the_panel_of_their_family():
    rows = [
        dict(family="channel", name="SqueezeExcitation", arithmetic=0.1, memory=0.9),
        dict(family="dense", name="MultiHeadAttention", arithmetic=0.8, memory=0.2),
    ]
    channel, dense = plot.shares(rows).axes[:2]
    assert (channel.get_title(), dense.get_title()) == ("channel", "dense")
    [line] = dense.lines
    assert (line.get_xdata()[0], line.get_ydata()[0]) == (0.2, 0.8)
    assert line.get_label() == "Multi-head attention"
    fast = plot.shares([{**rows[0], "memory": 1.4}]).axes[0]
    assert fast.get_xlim()[1] > 1.4, "what lies in a cache is in the picture"
    with pytest.raises(ValueError, match="no shares"):
        plot.shares([])


POINTS = [
    dict(mechanism=name, params=10**place, macs=0 if place == 2 else 3 * 10**place)
    for place, name in enumerate(["se", "eca", "sge", "cbam", "moa"])
]


def test_points_stand_where_the_rows_say_with_their_names_beside_them():
    [axes] = plot.scatter(POINTS, "params", "macs").axes
    drawn = {tuple(point) for line in axes.lines for point in line.get_xydata()}
    assert drawn == {(row["params"], row["macs"]) for row in POINTS}
    assert {text.get_text() for text in axes.texts} == {row["mechanism"] for row in POINTS}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("params", "macs")
    assert len(axes.lines) == 4 == len(axes.figure.legends[0].get_texts()), "one look a family"


def test_names_of_points_do_not_cover_each_other():
    names = ["mha", "ssa", "emsa", "ea", "a2", "aft", "aft-conv", "ufo", "se"]
    crowd = [dict(mechanism=name, x=100 * 2 ** (i % 3), y=100 * 2 ** (i // 3))
             for i, name in enumerate(names)]  # fmt: skip
    figure = plot.scatter([*crowd, dict(mechanism="se", x=1e6, y=1e6)], "x", "y")
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    hidden = [sum(a.overlaps(b) for b in boxes) - 1 for a in boxes]
    assert sum(hidden) == 0 and len(boxes) > len(crowd) / 2


@pytest.mark.parametrize(
    ("rows", "message"),
    [([], "there are no points to draw"), ([dict(mechanism="se", x=-1, y=2)], "-1 is negative")],
)
def test_points_that_cannot_be_drawn_are_named(rows, message):
    with pytest.raises(ValueError, match=message):
        plot.scatter(rows, "x", "y")
