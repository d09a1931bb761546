"""Draw a flow as an SVG that follows the colours of its page, tall rather than wide.

Learned steps are filled boxes with square corners, fixed ones pills.  Several operations at once
have a double line, × + and − are circles, and the parts of one result are cells.  Nothing is told
by colour alone.
"""

import re
from collections.abc import Collection, Set
from html import escape

from attention_lib.cards.flow import Flow
from attention_lib.teaching.diagrams.layout import (
    SIZE,
    SMALL,
    Place,
    layered,
    places,
    settle,
    stack,
    untangle,
)
from attention_lib.teaching.diagrams.words import MARKED, sentences, told

ACCENT = "var(--pst-color-primary, #3b82c4)"
FONT = "var(--pst-font-family-base, system-ui, sans-serif)"
PLACE = "display:block;margin:1rem auto;max-width:100%;height:auto"


def svg(
    flow: Flow,
    name: str,
    parts: Collection[str],
    shapes: bool = True,
    marked: Set[int] = frozenset(),
) -> str:
    """The drawing, as one element; its text alternative tells the same.

    Args:
        flow: what is drawn.
        name: of the mechanism.
        parts: those that are learned.
        shapes: whether each step has a second line, with its shape.
        marked: numbers of steps that have a bar at their side.
    """
    found = places(flow, parts, shapes)
    layers = layered(found)
    untangle(layers)
    width, height = settle(layers), stack(layers)
    hints = ["", *sentences(flow, parts)]
    lines = [_line(p, n) for layer in layers for p in layer for n in range(len(p.reads))]
    boxes = [
        _box(p, hints[p.number] if p.kind in ("step", "sign") else "", p.number in marked)
        for p in found
    ]
    said = f"{name}, step by step. {told(flow, parts)}"
    margin = 6 if marked else 0  # where a bar stands
    frame = {
        "class": "flow",
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"{-margin} 0 {width + margin:.0f} {height:.0f}",
        "width": f"{width + margin:.0f}",
        "role": "img",
        "aria-label": said,
        "fill": "none",
        "stroke": "currentColor",
        "stroke-width": "1.3",
        "text-anchor": "middle",
        "font-family": FONT,
        "style": PLACE,
    }
    head = " ".join(f'{key}="{escape(value)}"' for key, value in frame.items())
    return "\n".join([f"<svg {head}>", *lines, *boxes, "</svg>"])


def _box(place: Place, hint: str, marked: bool) -> str:
    drawn = f"<title>{escape(hint)}</title>" if hint else ""
    drawn += _sign(place) if place.kind == "sign" else _step(place)
    if marked and place.kind in ("step", "sign"):
        x, y = place.x - place.width / 2 - 5, place.top
        drawn += (
            f'<path d="M{x:.1f} {y:.1f}v{place.height:.1f}" stroke="{ACCENT}" stroke-width="4"/>'
        )
    return f'<g data-step="{place.number}">{drawn}</g>'


def _sign(place: Place) -> str:
    x, top = place.x, place.top
    parts = [
        f'<circle cx="{x:.1f}" cy="{top + 12:.1f}" r="12"/>',
        _text(x, top + 17.5, 17, place.title),
    ]
    if place.shape:
        beside = 'text-anchor="start" opacity="0.8"'
        parts.append(_text(x + 16, top + 16, SMALL, place.shape, beside))
    return "".join(parts)


def _step(place: Place) -> str:
    """A box with a title, a shape below it, and cells below that."""
    w, h, x, top = place.width, place.height, place.x, place.top
    left, corner = x - w / 2, 0.0 if place.learned else min(20, h / 2)
    edge = f'stroke="{ACCENT}"' if place.learned else ""
    fill = f'fill="{ACCENT}" fill-opacity="0.15" stroke-width="2" {edge}' if place.learned else ""
    bold = 'font-weight="600"' if place.learned or place.kind != "step" else ""
    parts = []
    if place.kind == "step":
        parts.append(_rect(left, top, w, h, corner, fill))
    if place.several:
        inner = max(corner - 2.5, 0)
        thin = f'{edge} stroke-width="1"'
        parts.append(_rect(left + 2.5, top + 2.5, w - 5, h - 5, inner, thin))
    parts.append(_text(x, top + (16 if place.shape else 15.5), SIZE, place.title, bold))
    if place.shape:
        parts.append(_text(x, top + 32, SMALL, place.shape, 'opacity="0.8"'))
    if place.cells:
        parts.append(f'<path d="M{left:.1f} {top + h - 18:.1f}h{w:.1f}" {edge}/>')
    for cell, name in enumerate(place.cells):
        parts.append(_text(place.outlet(cell), top + h - 5, SMALL, name, 'font-style="italic"'))
        if cell:
            side = left + w / sum(place.cell) * sum(place.cell[:cell])
            parts.append(f'<path d="M{side:.1f} {top + h - 18:.1f}v18" {edge}/>')
    return "".join(parts)


def _rect(x: float, y: float, width: float, height: float, corner: float, more: str) -> str:
    box = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect {box} rx="{corner:g}" {more}/>'


def _text(x: float, y: float, size: int, text: str, more: str = "") -> str:
    """Words; what is lowered or raised is smaller, and the rest goes on at the old height."""
    shift, drawn = 0, ""
    for n, piece in enumerate(re.split(r"([_^]\{[^}]*\})", text)):
        found = MARKED.fullmatch(piece)
        to = (3 if found[1] == "_" else -4) if found else 0
        if not piece:
            continue
        smaller = f' font-size="{size - 3}"' if found else ""
        inside = escape(found[2] if found else piece)
        moved = f' dy="{to - shift}"' if to != shift else ""
        drawn += f"<tspan{moved}{smaller}>{inside}</tspan>" if moved or n else inside
        shift = to
    ink = f'font-size="{size}" fill="currentColor" stroke="none"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {ink} {more}>{drawn}</text>'


def marked_up(text: str) -> str:
    """Words for a page: what is lowered or raised is so."""
    kinds = {"_": "sub", "^": "sup"}
    return MARKED.sub(lambda m: f"<{kinds[m[1]]}>{m[2]}</{kinds[m[1]]}>", escape(text))


def _line(place: Place, number: int) -> str:
    """From the bottom of what is read to the top of what reads it, with a tip unless it goes on."""
    read, cell = place.reads[number]
    x0, y0, x1, y1 = read.outlet(cell), read.bottom, place.x, place.top
    if len(place.reads) > 1:  # side by side, in the order in which they come
        ends = [above.outlet(part) for above, part in place.reads]
        slot = sorted(range(len(ends)), key=ends.__getitem__).index(number)
        apart = 13 if place.kind == "sign" else min(26, (place.width - 24) / (len(ends) - 1))
        x1 += (slot - (len(ends) - 1) / 2) * apart
        y1 += 2 if place.kind == "sign" else 0
    half = (y0 + y1) / 2
    way = f"C{x0:.1f} {half:.1f} {x1:.1f} {half:.1f} {x1:.1f} {y1:.1f}"
    if abs(x0 - x1) < 0.5:
        way = f"V{y1:.1f}"
    end = f"M{x1 - 4:.1f} {y1 - 7:.1f}L{x1:.1f} {y1 - 1:.1f}L{x1 + 4:.1f} {y1 - 7:.1f}"
    if place.kind == "lane":
        end = f"V{place.bottom:.1f}"
    look = f'stroke-opacity="0.75" data-step="{place.number}"'
    return f'<path d="M{x0:.1f} {y0:.1f}{way}{end}" {look}/>'
