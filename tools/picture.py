"""Draw the picture of the first page, `book/_static/attention.svg`: `python -m tools.picture`."""

import math

from tools.chapters import ROOT

WORDS = ("The", "cat", "sat", "because", "it", "was", "tired")
ASKING = "it"
# how well each word's key fits the query of the word that asks: chosen for the picture
LOGITS = (0.2, 2.9, 0.8, 0.1, 1.2, 0.1, 1.6)


def softmax(logits: tuple[float, ...]) -> list[float]:
    parts = [math.exp(logit) for logit in logits]
    return [part / sum(parts) for part in parts]


def main() -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.hashsalt": "attention", "font.size": 11}
    from matplotlib import pyplot

    weights = softmax(LOGITS)
    figure, axes = pyplot.subplots(figsize=(7, 3.1))
    asking = WORDS.index(ASKING)
    for place, (word, weight) in enumerate(zip(WORDS, weights, strict=True)):
        axes.plot([place, asking], [0.22, 1.42], color="#0072b2", linewidth=0.6 + 14 * weight,
                  alpha=0.25 + 0.75 * weight, solid_capstyle="round", zorder=1)  # fmt: skip
        box = dict(boxstyle="round,pad=0.4", facecolor="#eef3f7", edgecolor="#44546a")
        axes.text(place, 0, word, ha="center", va="center", bbox=box, zorder=2)
        axes.text(place, -0.42, f"{weight:.2f}", ha="center", va="center", color="#333333")
    box = dict(boxstyle="round,pad=0.4", facecolor="#ffe8c2", edgecolor="#8a5a00")
    axes.text(asking, 1.6, f"what “{ASKING}” gathers", ha="center", va="center", bbox=box)
    axes.text(-0.75, -0.42, "weight", ha="right", va="center", color="#333333")
    axes.text(-0.75, 0, "values", ha="right", va="center", color="#333333")
    axes.set(xlim=(-1.6, len(WORDS) - 0.4), ylim=(-0.65, 1.9))
    axes.axis("off")
    target = ROOT / "book/_static/attention.svg"
    figure.savefig(target, bbox_inches="tight", facecolor="white", metadata={"Date": None})
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
