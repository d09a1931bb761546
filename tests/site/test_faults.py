"""A look at a page finds a fault that was planted in it, and none in a sound one."""

from itertools import count

import pytest

from tests.support.looking import WIDE, look
from tools.browser import served

pytestmark = pytest.mark.alone

SOUND = """<!doctype html><html lang="en"><head><title>Sound</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,"></head><body>
<a href="#main">Skip to main content</a><main id="main"><h1>Sound</h1>
<label>Search <input type="search"></label>{fault}</main></body></html>"""
PROGRAM = "".join(  # the first and the last of its keywords are not to be seen
    f'<div class="code"><div class="highlight"><pre tabindex="0" style="overflow: auto" {shown}>'
    '<span class="k">for</span> x <span class="k">in</span> y</pre></div></div>'
    for shown in ("hidden", "", "hidden")
)
FOLD = '<div class="cell"><details class="hide">{}</details></div>'
MINUTE = (
    '<section class="bd-article"><div class="cell"><details class="hide">'
    '<summary style="padding: 1em">Set-up</summary><div class="cell_output"><p>torch</p></div>'
    "</details></div><h2>In one minute</h2><p>An idea.</p></section>"
)
ROWS = "<li>sound</li>" * 9 + '<li class="last">faint</li>'
LINKS = "<p>words</p>" * 9 + '<p>words and <a href="#main">a link</a> among them</p>'
FAULTS = [
    ("requests", '<img src="missing.png" alt="missing">'),
    ("requests", "<script>console.error('no')</script>"),
    ("requests", "<script>undefined_function()</script>"),
    ("requests", '<script src="https://cdn.example.org/library.js"></script>'),
    ("mathematics", "<p>where $x$ is</p>"),
    ("mathematics", r"<p>where \(x\) is</p>"),
    ("mathematics", '<span class="math">x</span>'),
    ("mathematics", '<mjx-merror data-mjx-error="no">x</mjx-merror>'),
    ("pictures", '<img src="missing.png" alt="missing">'),
    ("pictures", '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" alt="">'),
    ("pictures", '<svg class="drawn" role="img" aria-label=" "><text y="20">words</text></svg>'),
    ("icons", '<i class="fas fa-moon">x</i>'),
    ("search box", '<label>Another <input type="search"></label>'),
    ("search box", "<style>input { display: none }</style>"),
    ("reading", '<div class="highlight"><pre style="overflow: auto; width: 20rem; font-size: 14px">'
                + "#" * 79 + "</pre></div>"),
    ("reading", '<div class="highlight"><pre style="font-size: 11px">x</pre></div>'),
    ("reading", '<table><tr><td style="width: 4rem"><code><span class="pre">'
                "two words</span></code></td></tr></table>"),
    ("reading", '<table style="width: 4rem"><tr><td class="interval">0.1 to 0.2</td></tr></table>'),
    ("beginning", MINUTE.replace("<p>An", '<p style="margin-top: 700px">An')),
    ("beginning", MINUTE.replace("<h2>", PROGRAM + "<h2>")),
    ("beginning", MINUTE.replace("Set-up", "Code")),
    ("beginning", MINUTE + FOLD.format("<summary>Show</summary>")),
    ("beginning", MINUTE + FOLD.format('<summary aria-label="Show">Check</summary>')),
    ("beginning", MINUTE + FOLD.format("<summary>Set-up</summary>")),
    ("beginning", MINUTE.replace("In one minute", "Soon")),
    ("beginning", MINUTE.replace("<p>torch</p>", "")),
    ("beginning", MINUTE.replace("<details", "<details open")),
    ("beginning", MINUTE + "<p>#@title Set-up</p>"),
    ("skip link", '<button tabindex="1">first</button>'),
    ("phone", '<div style="width: 500px">wide</div>'),
    ("phone", '<div class="math" style="display: flex; flex-flow: row-reverse; overflow: auto">'
              '<mjx-container style="min-width: 900px">x</mjx-container></div>'),
    ("phone", '<svg class="drawn" role="img" aria-label="small" viewBox="0 0 999 99" width="100%">'
              '<text x="50" y="50" transform="rotate(-90 50 50)">words</text></svg>'),
    ("phone", '<div style="overflow: auto"><figure class="flow">'
              '<svg role="img" aria-label="wide" width="600"></svg></figure></div>'),
    ("phone", '<figure class="flow"><svg role="img" aria-label="gone" style="display: none"></svg>'
              "</figure>"),
    ("axe, light", '<p style="color: #ccc; background: #fff">faint</p>'),
    ("axe, light", "<button></button>"),
    ("axe, light", f"<style>.k {{ color: #ccc; background: #fff }}</style>{PROGRAM}"),
    ("axe, light", f"<style>li:last-child {{ background: #333 }}</style><ul>{ROWS}</ul>"),
    ("axe, light", f"<style>p a {{ color: #222; text-decoration: none }}</style>{LINKS}"),
    ("axe, dark", f"<style>[data-theme=dark] .last {{ color: #ddd }}</style><ul>{ROWS}</ul>"),
    ("axe, dark", "<style>[data-theme=dark] h1 { color: #222; background: #000 }</style>"),
    ("axe, phone", '<pre style="overflow: auto">' + "wide " * 100 + "</pre>"),
    ("weight", '<img src="heavy.svg" alt="heavy">'),
    ("links", '<a href="nowhere.html">nowhere</a>'),
    ("links", '<a href="#nowhere">nowhere</a>'),
]  # fmt: skip


@pytest.fixture(scope="session")
def planted(chromium, tmp_path_factory):
    """What is wrong with a page that has one fault."""
    folder = tmp_path_factory.mktemp("faults")
    heavy = '<svg xmlns="http://www.w3.org/2000/svg"><!--' + "x" * 3_000_000 + "--></svg>"
    (folder / "heavy.svg").write_text(heavy)
    page, number = chromium.new_page(viewport=WIDE), count()
    with served(folder) as url:

        def looked(fault: str) -> dict[str, list[str]]:
            name = f"page-{next(number)}.html"  # a new name, so that no cache answers
            (folder / name).write_text(SOUND.replace("{fault}", fault))
            return look(page, url, name, folder)

        yield looked
    page.close()


@pytest.mark.parametrize("sound", ["", MINUTE], ids=["page", "chapter"])
def test_a_sound_page_has_nothing_wrong(planted, sound):
    assert not {subject: found for subject, found in planted(sound).items() if found}


@pytest.mark.parametrize(("subject", "fault"), FAULTS)
def test_a_planted_fault_is_found(planted, subject, fault):
    assert planted(fault)[subject], f"nobody saw {fault}"
