"""Figures: what they show is what they were given. How variants look: tests/test_looks.py."""

import io
import re
from base64 import b64decode
from itertools import combinations, product
from urllib.parse import unquote
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from PIL import Image

from attention_lib.teaching import plot
from attention_lib.teaching.data import picture

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
    widths = [line.get_linewidth() for line in axes.lines]
    assert widths == sorted(set(widths), reverse=True), "lines on top of each other all show"


def test_too_few_sizes_give_no_exponent():
    few = [row for row in ROWS if row["size"] < 100]
    said = [text.get_text() for text in plot.lines(few).legends[0].get_texts()]
    assert said[0] == "Squeeze-and-Excitation"
    said = [text.get_text() for text in plot.lines(ROWS, fitted=False).legends[0].get_texts()]
    assert said[0] == "Squeeze-and-Excitation"


def test_dots_show_every_run_and_the_mean():
    figure = plot.dots(RUNS, chance=0.1)
    first, second = figure.axes
    assert (first.get_title(), second.get_title()) == ("channel cue", "local marker")
    points, mean = first.lines[2:4]  # of the second variant
    assert sorted(points.get_xdata()) == pytest.approx([0.9, 0.91, 0.92])
    assert [*mean.get_xdata()] == pytest.approx([0.91, 0.91])
    assert points.get_color() == plot.look("se")["color"]
    labels = [label.get_text() for label in first.get_yticklabels()]
    assert labels == ["none", "Squeeze-and-Excitation", "Efficient Channel Attention"]
    assert len(first.lines) == 3 * 2 + 1, "three variants and the line of chance"


GROWN = [
    dict(variant=variant, writes=n, accuracy=at / n + seed / 100, seed=seed)
    for variant, at in (("softmax", 1), ("aft", 2))
    for n in (8, 16)
    for seed in range(3)
]


def test_curves_show_the_means_and_all_runs():
    [axes] = plot.curves(GROWN, "writes", chance=0.1).axes
    first, second, _ = axes.lines
    assert list(first.get_xdata()) == [8, 16]
    assert list(first.get_ydata()) == pytest.approx([1 / 8 + 0.01, 1 / 16 + 0.01])
    assert second.get_color() == plot.look("aft")["color"]
    top = axes.collections[0].get_paths()[0].vertices[:, 1].max()
    assert top == pytest.approx(0.145), "no further than a run reaches"
    assert first.get_linewidth() > second.get_linewidth()
    assert axes.get_xscale() == "log" and axes.get_yscale() == "linear"


def test_bars_are_as_long_as_the_gates():
    figure = plot.bars({"se": {"red": 0.2, "green": 0.9}, "eca": {"red": 0.3, "green": 0.8}})
    [axes] = figure.axes
    assert [bar.get_width() for bar in axes.patches] == [0.2, 0.9, 0.3, 0.8]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["red", "green"]
    assert len(figure.legends[0].get_texts()) == 2
    alone = plot.bars({"mean of twelve heads": {"red": 0.2}})
    assert not alone.legends and alone.axes[0].get_title(loc="left") == "mean of twelve heads"


def bars_beside(figure):
    """The colour bars of a figure: their limits."""
    return [axes.get_ylim() for axes in figure.axes if axes.get_label() == "<colorbar>"]


def test_maps_have_a_colour_bar_and_photographs_have_none():
    picture, map_ = torch.rand(3, 5, 7), torch.rand(5, 7)
    assert bars_beside(plot.maps([picture, picture])) == []
    assert bars_beside(plot.maps([picture, map_, map_], limits=(0, 2))) == [(0, 2)]
    own = [(float(one.min()), float(one.max())) for one in (map_, 3 * map_)]
    assert np.allclose(bars_beside(plot.maps([picture, map_, 3 * map_])), own)
    assert bars_beside(plot.weights({"one": torch.eye(2), "two": torch.eye(2)})) == [(0, 1)]


def test_a_row_is_as_high_as_what_stands_in_it():
    wide, square = torch.rand(3, 16, 56), torch.rand(3, 24, 24)
    figure = plot.maps([wide, wide, square, square], columns=2, side=2.0)
    figure.draw_without_rendering()
    first, second = (figure.axes[n].get_tightbbox() for n in (0, 2))
    assert 0 < first.y0 - second.y1 < 30, "no gap between the rows"


def test_maps_show_pictures_and_maps():
    image = torch.rand(3, 5, 7)
    figure = plot.maps([image, image[0], image[1]], ["all", "red", "green"], limits=(0, 1))
    shown = [axes.images[0] for axes in figure.axes if axes.images]
    assert torch.equal(torch.tensor(shown[0].get_array()), image.permute(1, 2, 0))
    assert torch.equal(torch.tensor(shown[1].get_array().data), image[0])
    assert shown[1].get_clim() == (0, 1)
    assert [axes.get_title() for axes in figure.axes][:3] == ["all", "red", "green"]


def test_weights_show_queries_down_and_keys_across():
    matrices = {"one": torch.rand(2, 3), "two": torch.rand(2, 3)}
    figure = plot.weights(matrices, ["a", "b"], ["x", "y", "z"])
    one, two, _ = figure.axes
    assert torch.equal(torch.tensor(two.images[0].get_array().data), matrices["two"])
    assert one.images[0].get_clim() == two.images[0].get_clim() == (0, 1)
    assert (one.get_title(), one.get_xlabel(), one.get_ylabel()) == ("one", "key", "query")
    assert [label.get_text() for label in one.get_yticklabels()] == ["a", "b"]
    assert [label.get_text() for label in one.get_xticklabels()] == ["x", "y", "z"]
    [square, *unused, _] = plot.weights(dict.fromkeys("abcd", torch.eye(9)), columns=3).axes
    assert [label.get_text() for label in square.get_xticklabels()] == ["1", "4", "7"]
    assert [axes.axison for axes in unused] == [True] * 3 + [False] * 2
    [named, _] = plot.weights({"": torch.eye(2)}, ["a", "b"]).axes
    assert [label.get_text() for label in named.get_xticklabels()] == ["a", "b"]
    matrix = torch.tensor([[0.25, 0.75], [1.0, 0.0]])
    [axes, _] = plot.weights({"": matrix}, numbers=True).axes
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {(0, 0): "0.25", (1, 0): "0.75", (0, 1): "1.00", (1, 1): "0.00"}


DRAW = {
    "lines": lambda: plot.lines(ROWS),
    "dots": lambda: plot.dots(RUNS),
    "curves": lambda: plot.curves(GROWN, "writes"),
    "bars": lambda: plot.bars({name: {"red": 0.5, "green": 0.5, "blue": 0.1} for name in NAMES}),
    "maps": lambda: plot.maps([picture(), *picture()[:, ::4, ::4]], columns=4),
    "weights": lambda: plot.weights({"one": torch.eye(5), "two": torch.eye(5)}, [*"abcde"]),
    "scatter": lambda: plot.scatter(POINTS, "params", "macs"),
}


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_a_figure_is_light_and_whole(draw):
    before = dict(matplotlib.rcParams)
    figure = draw()
    svg = figure.svg()
    assert dict(matplotlib.rcParams) == before, "the reader's settings were changed"
    assert len(svg) < 60 * 1024
    assert figure.get_facecolor() == (1, 1, 1, 1)
    whole = figure.bbox.padded(1)
    for axes in figure.axes:
        box = axes.get_tightbbox()
        assert whole.x0 <= box.x0 and box.x1 <= whole.x1, "cut off at the side"
        assert whole.y0 <= box.y0 and box.y1 <= whole.y1, "cut off above or below"
    for legend in figure.legends:
        assert legend.get_tightbbox().x1 <= whole.x1, "the legend is cut off"
    assert draw().svg() == svg, "drawn again, it is the same text"


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_a_drawing_is_one_element_that_names_nothing_outside(draw):
    """No style for the whole page, no date, no id that nothing uses, words as words."""
    figure = draw()
    svg = figure.svg()
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert not {"style", "metadata"} & {part.tag.partition("}")[2] for part in root.iter()}
    ids = [part.get("id") for part in root.iter() if part.get("id")]
    used = set(re.findall(r'(?:url\(|href=")#([^")]+)', svg))
    assert len(ids) == len(set(ids)) and set(ids) == used
    words = {text for text in root.itertext() if text.strip()}
    for axes in figure.axes:
        assert not axes.get_title() or axes.get_title() in words


def bitmaps(figure):
    found = re.findall(r"data:image/(\w+);base64,([^\"]*)", figure.svg())
    return [(kind, Image.open(io.BytesIO(b64decode(data)))) for kind, data in found]


def test_bitmaps_are_small_and_maps_exact():
    [(kind, photograph)] = bitmaps(plot.maps([picture()]))
    assert (kind, photograph.size) == ("jpeg", (256, 256))
    [(kind, noise)] = bitmaps(plot.maps([torch.rand(3, 40, 40)]))
    assert (kind, noise.size) == ("png", (40, 40)), "of few pixels every one is seen"
    (kind, shown), _ = bitmaps(plot.weights({"": torch.eye(3)}))
    assert (kind, shown.size, shown.mode) == ("png", (3, 3), "P")
    pixels = np.array(shown.convert("RGB"))
    assert (pixels[1, 1] == to_rgb("#002844") * np.array(255)).all() and pixels[0, 1].min() == 255


def test_a_notebook_shows_a_drawing_as_an_image_without_words_yet(monkeypatch):
    shown = []
    monkeypatch.setattr("builtins.display", lambda data, raw: shown.append(data), raising=False)
    figure = DRAW["bars"]()
    figure._ipython_display_()
    [data] = shown
    [(alt, svg)] = re.findall(
        r'^<img alt="(.*?)" src="data:image/svg\+xml,(.*?)">$', data["text/html"]
    )
    assert alt == "" and not re.search(r"[<>&#\"\s]", svg.replace(" ", ""))
    assert unquote(svg) == DRAW["bars"]().svg()
    assert data["text/plain"] == repr(figure)


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


@pytest.mark.parametrize(
    ("low", "high"),
    [(1, 1), (0.996, 1.004), (0.95, 1.05), (0.6, 1.4), (0.5, 2), (0.3, 8), (0.2, 150), (1e-4, 1e7)],
)
def test_labels_of_ratios_do_not_cover_each_other(low, high):
    rows = [dict(name="a long name of a mechanism", series="x", ratio=ratio, low=low, high=high)
            for ratio in (low, high)]  # fmt: skip
    figure = plot.ratios(rows, "how much")
    figure.draw_without_rendering()
    axis = figure.axes[0].xaxis
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    left, right = axis.get_view_interval()
    seen = [tick.label1 for tick in ticks if left <= tick.get_loc() <= right]
    boxes = [Text.get_window_extent(label) for label in seen if label.get_text()]
    assert len(boxes) > 2
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_shares_stand_at_their_place_in_the_panel_of_their_family():
    rows = [
        dict(family="channel", name="SqueezeExcitation", arithmetic=0.1, memory=0.9),
        dict(family="dense", name="MultiHeadAttention", arithmetic=0.8, memory=0.2),
    ]
    channel, dense = plot.shares(rows).axes[:2]
    assert (channel.get_title(), dense.get_title()) == ("channel", "dense")
    [line] = dense.lines
    assert (line.get_xdata()[0], line.get_ydata()[0]) == (0.2, 0.8)
    assert [text.get_text() for text in dense.texts] == ["mha"]
    fast = plot.shares([{**rows[0], "memory": 1.4}]).axes[0]
    assert fast.get_xlim()[1] > 1.4, "what lies in a cache is in the picture"
    with pytest.raises(ValueError, match="no shares"):
        plot.shares([])


POINTS = [
    dict(mechanism=name, params=10**place, macs=0 if place == 2 else 3 * 10**place)
    for place, name in enumerate(["se", "eca", "sge", "cbam", "moa"])
]


def test_points_stand_where_the_rows_say_with_their_names_beside_them():
    [axes] = DRAW["scatter"]().axes
    drawn = {tuple(point) for line in axes.lines for point in line.get_xydata()}
    assert drawn == {(row["params"], row["macs"]) for row in POINTS}
    assert {text.get_text() for text in axes.texts} == {row["mechanism"] for row in POINTS}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("params", "macs")
    assert len(axes.lines) == 4 == len(axes.figure.legends[0].get_texts()), "one look a family"


def test_names_of_points_do_not_cover_each_other_and_none_is_left_out():
    names = ["mha", "ssa", "emsa", "ea", "a2", "aft", "aft-conv", "ufo", "se"]
    crowd = [dict(mechanism=name, x=100 * 2 ** (i % 3), y=100 * 2 ** (i // 3))
             for i, name in enumerate(names)]  # fmt: skip
    figure = plot.scatter([*crowd, dict(mechanism="se", x=1e6, y=1e6)], "x", "y")
    figure.draw_without_rendering()
    texts = figure.axes[0].texts
    assert sorted(text.get_text() for text in texts) == sorted([*names, "se"])
    boxes = [Text.get_window_extent(text) for text in texts]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert not any(text.arrow_patch for text in texts), "each beside its point"
    crowd = [dict(mechanism=name, x=100 + n, y=100 + n) for n, name in enumerate(names)]
    figure = plot.scatter([*crowd, dict(mechanism="se", x=1e6, y=1e6)], "x", "y")
    led = [text.get_text() for text in figure.axes[0].texts if text.arrow_patch]
    assert len(led) > 3, "in a crowd a line leads to a name that stands apart"


@pytest.mark.parametrize(
    ("rows", "message"),
    [([], "there are no points to draw"), ([dict(mechanism="se", x=-1, y=2)], "-1 is negative")],
)
def test_points_that_cannot_be_drawn_are_named(rows, message):
    with pytest.raises(ValueError, match=message):
        plot.scatter(rows, "x", "y")
