"""Begin a mechanism or a chapter: write stubs that run, to be replaced part by part.

    python -m tools.new mechanism channel GlobalContext --paper cao2019gcnet
    python -m tools.new mechanism recurrent Mamba --layout tokens --question "what to remember?"
    python -m tools.new chapter recurrent

A mechanism's stub is a small, correct one: a learned factor a channel, or a feature. Its reference,
card and costs agree, so `make test NAME=GlobalContext` is green before and after each replacement.
The file is called as the class in snake_case (`global_context`, `rwkv7`) unless `--file` says so.
A family that is not there yet is begun with the question that it asks.
"""

import argparse
import re
import sys
from pathlib import Path
from string import Template

from attention_lib.catalog import FAMILIES
from tools.chapters import EVERYWHERE, HEADINGS, OPENING, QUESTIONS, ROOT

MECHANISM = Template('''\
"""$title (Author et al., year)."""

import torch
from torch import nn

from attention_lib.cards import properties
from attention_lib.cards.card import Card
from attention_lib.cards.shape import $layout, shaped
from attention_lib.core.arguments import constructor_arguments, typed
from attention_lib.core.guards import at_least


class $name(nn.Module):
    r"""Rescale each $unit by a learned factor.

    .. math::
        $formula

    Args:
        $width: $about

    Raises:
        ValueError: if there is no $unit.
    """

    @typed
    def __init__(self, $width: int):
        super().__init__()
        at_least(1, $width=$width)
        self.$width = $width
        self.scale = nn.Parameter(torch.ones($width))

    extra_repr = constructor_arguments

    @shaped
    def forward(self, x: $layout) -> $layout:
        return self.scale$spread * x


CARD = Card(
    $name,
    paper="$paper",
    aliases=("$alias",),
    example=dict($width=5),
    sizes=dict($sizes),
    params="$width",
    macs="0",
    memory="$memory",
    flow="y = times scale x -> $axes",
    properties={$properties},
    rejects=[dict($width=0)],$oracle
)
''')
PROPERTY = "\n        properties.{},"
LAYOUTS = {
    "maps": dict(
        width="channels",
        unit="channel",
        layout="Maps",
        formula="y_{cij} = s_c\\, x_{cij}",
        about="channels of the map, C.",
        spread="[:, None, None]",
        sizes="batch=2, height=7, width=3",
        memory="channels * height * width",
        axes="channels height width",
        properties=("pixel_permutation_equivariant", "shift_equivariant", "mirror_equivariant"),
    ),
    "tokens": dict(
        width="dim",
        unit="feature",
        layout="Tokens",
        formula="y_{nc} = s_c\\, x_{nc}",
        about="features of a token, d.",
        spread="",
        sizes="batch=2, tokens=7",
        memory="tokens * dim",
        axes="tokens dim",
        properties=("token_permutation_equivariant", "causal"),
    ),
}
REFERENCES = {
    "maps": """

def {}(m, x):
    y = []
    for sample in x:
        y += [factor * channel for factor, channel in zip(m.scale, sample, strict=True)]
    return torch.stack(y).view_as(x)
""",
    "tokens": """

def {}(m, x):
    y = []
    for sample in x:
        for token in sample:
            y += [factor * value for factor, value in zip(m.scale, token, strict=True)]
    return torch.stack(y).view_as(x)
""",
}
PAPER = """
@misc{{{},
  author = {{Author, First and Author, Second}},
  title = {{Title of the paper}},
  year = {{2000}},
  url = {{https://example.org/paper}},
}}
"""
ORACLE = '''

def {stem}(m):
    """For each of their parameters and buffers, the tensor of ours."""
    from {package} import {theirs}

    return {theirs}(m.{width}), {{"scale": m.scale}}


ORACLES["{name}"] = {{"{package}.{theirs}": {stem}}}
'''


def stem_of(name: str) -> str:
    """The file of a class: its words in small letters, an acronym being one word."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def mechanism(
    family: str,
    name: str,
    layout: str = "maps",
    *,
    file: str = "",
    paper: str = "",
    oracle: str = "",
    question: str = "",
    root: Path = ROOT,
) -> list[Path]:
    """Write the stubs of a mechanism, and of its family if that is new; the files, in order.

    Args:
        family, name: the folder, and the class in CamelCase.
        layout: "maps" or "tokens".
        file: the stem of its file; by default the class in snake_case.
        paper: a key of book/references.bib; one that is not there gets an entry to fill in.
        oracle: dotted name of somebody else's class; its stub is wrong until it is filled in.
        question: what a new family asks.
        root: the repository.

    Raises:
        ValueError: if a name is unfit or taken, or a new family asks nothing.
    """
    stem = file or stem_of(name)
    home = root / "attention_lib" / family
    if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name):
        raise ValueError(f"{name!r} is no class name in CamelCase, such as GlobalContext")
    for what, word in (("family", family), ("file", stem)):
        if not re.fullmatch(r"[a-z][a-z0-9_]*", word):
            raise ValueError(f"{word!r} is no name of a {what}: small letters, digits, underscores")
    if (home / f"{stem}.py").exists():
        raise ValueError(f"attention_lib/{family}/{stem}.py is there already: choose a --file")
    known = (home / "__init__.py").exists()
    if known and family not in FAMILIES and root == ROOT:
        raise ValueError(f"attention_lib/{family} is no family; there are {', '.join(FAMILIES)}")
    if not known and not question.endswith("?"):
        raise ValueError(f"the family {family} is new: say what it asks, --question 'which ...?'")
    if oracle and "." not in oracle:
        raise ValueError(f"oracle={oracle!r} must be a dotted name, such as timm.layers.SEModule")
    told = LAYOUTS[layout]
    words = {key: value for key, value in told.items() if isinstance(value, str)}
    text = MECHANISM.substitute(
        words,
        name=name,
        title=stem.replace("_", " ").capitalize(),
        paper=paper or stem,
        alias=stem if stem != name.lower() else f"{stem}-attention",
        properties="".join(PROPERTY.format(word) for word in told["properties"]) + "\n    ",
        oracle=f'\n    oracles=("{oracle}",),' if oracle else "",
    )
    reference = root / f"tests/references/{family}.py"
    bibliography = root / "book/references.bib"
    written = [reference, home / f"{stem}.py", home / "__init__.py"]
    _append(reference, f'"""{family.capitalize()}, one subscript at a time."""\n\nimport torch\n',
            REFERENCES[layout].format(stem))  # fmt: skip
    home.mkdir(exist_ok=True)
    written[1].write_text(text, "utf-8")
    _enter(written[2], f'"""{family.capitalize()}: *{question}*"""\n', stem, name)
    if not re.search(rf"^@\w+\{{{paper or stem},", bibliography.read_text("utf-8"), flags=re.M):
        _append(bibliography, "", PAPER.format(paper or stem))
        written.append(bibliography)
    if oracle:
        package, _, theirs = oracle.rpartition(".")
        entry = ORACLE.format(
            stem=stem, name=name, package=package, theirs=theirs, width=words["width"]
        )
        begin = (
            f'"""{family.capitalize()}: the same weights in other packages."""\n\nORACLES = {{}}\n'
        )
        written.append(root / f"tests/oracles/{family}.py")
        _append(written[-1], begin, entry)
    return written


def _append(file: Path, begin: str, text: str) -> None:
    before = file.read_text("utf-8") if file.exists() else begin
    file.write_text(before + text, "utf-8")


def _enter(file: Path, begin: str, stem: str, name: str) -> None:
    """Add a mechanism to its family's imports, in their order, and to the end of `__all__`."""
    text = file.read_text("utf-8") if file.exists() else f"{begin}\n\n__all__ = [\n]\n"
    imports = sorted({*re.findall(r"^from \.\w+ import \w+$", text, flags=re.M),
                      f"from .{stem} import {name}"})  # fmt: skip
    docstring = text.partition("\n\n")[0]
    names = re.findall(r'"(\w+)"', text.partition("__all__")[2])
    listed = "".join(f'    "{one}",\n' for one in [*names, name])
    lines = "\n".join(imports)
    file.write_text(f"{docstring}\n\n{lines}\n\n__all__ = [\n{listed}]\n", "utf-8")


def chapter(name: str, root: Path = ROOT) -> list[Path]:
    """Write a chapter with its headings and cells, and enter it in _toc.yml; the files, in order.

    Raises:
        ValueError: if there is such a chapter, or the name is unfit.
    """
    file, contents = root / f"book/chapters/{name}.md", root / "_toc.yml"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError(f"{name!r} is no name of a chapter: small letters, digits, underscores")
    if file.exists():
        raise ValueError(f"book/chapters/{name}.md is there already")
    title = name.replace("_", " ").capitalize()
    intro = f"# {title}: of what?\n\n**You need** what? Reading takes about 20 minutes."
    parts = "".join(f"\n## {h}\n\nTo be written.\n" for h in headings(name))
    parts = parts.replace("\n## Summary", f"\n{QUESTIONS.replace('NAME', name)}\n\n## Summary")
    file.write_text(OPENING.replace("# Title", intro) + parts, "utf-8")
    entries = re.findall(r"^ *- file: notebooks/.*\n", contents.read_text("utf-8"), flags=re.M)
    indent = re.match(" *", entries[-1])
    line = f"{indent[0] if indent else ''}- file: notebooks/{name}\n"
    contents.write_text(contents.read_text("utf-8").replace(entries[-1], entries[-1] + line))
    return [file, contents]


def headings(name: str) -> tuple[str, ...]:
    """The parts of a chapter: more of one that is a family's."""
    return HEADINGS if name in FAMILIES else EVERYWHERE


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.new",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    one = kinds.add_parser("mechanism", help="a class, its card, reference and paper")
    one.add_argument("family", help=f"a new one, or of {', '.join(FAMILIES)}")
    one.add_argument("name", help="the class, such as GlobalContext")
    one.add_argument("--layout", default="maps", choices=list(LAYOUTS))
    one.add_argument("--file", default="", help="the stem of its file, if not as the class")
    one.add_argument("--paper", default="", help="its key in book/references.bib")
    one.add_argument("--oracle", default="", metavar="package.Class")
    one.add_argument("--question", default="", help="what a new family asks")
    other = kinds.add_parser("chapter", help="a text notebook with its headings")
    other.add_argument("name", help="its file, such as sparse; a family's chapter has its name")
    options = vars(parser.parse_args(arguments))
    kind = options.pop("kind")
    try:
        written = mechanism(**options) if kind == "mechanism" else chapter(**options)
    except ValueError as error:
        sys.exit(f"error: {error}")
    print("written:", *(path.relative_to(ROOT) for path in written), sep="\n  ")
    name = options["name"]
    print(
        f"next: make test NAME={name}"
        if kind == "mechanism"
        else f"next: make execute CHAPTER={name}"
    )


if __name__ == "__main__":
    main()
