"""How to cite the book, and what has changed in it: from CITATION.cff and CHANGELOG.md."""

import re
from pathlib import Path

import yaml

from tools.chapters import ROOT, repository
from tools.pages.markdown import page


def cite_page(root: Path = ROOT) -> str:
    """As a sentence, and for BibTeX; authors, title, version and date stand in CITATION.cff."""
    told = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    authors = [author["name"] for author in told["authors"]]
    year, address = told["date-released"][:4], repository(root)
    fields = {
        "author": " and ".join(f"{{{author}}}" for author in authors),
        "title": f"{{{told['title']}}}",
        "year": year,
        "version": told["version"],
        "url": address,
    }
    entry = ",\n".join(f"  {name:<7} = {{{value}}}" for name, value in fields.items())
    return page(
        "# How to cite",
        told["message"],
        f"> {', '.join(authors)} ({year}). *{told['title']}*, version {told['version']}."
        f" <{address}>",
        f"```bibtex\n@misc{{attentionbook{year},\n{entry}\n}}\n```",
        "The page of each mechanism names its paper; the [bibliography](references.md) has all."
        " The repository's `CITATION.cff` says the same for machines. The [licence](license.md)"
        " says what may be done with text and code.",
    )


def changes_page(root: Path = ROOT) -> str:
    """The changelog, and where to say that something is wrong."""
    told = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    plain = re.sub(r"^## \[(.*?)\]", r"## \1", told, flags=re.M)  # no link to a version
    introduction, mark, versions = plain.partition("\n## ")
    return page(
        "# Changes and errata",
        f"You have found a mistake? Please say so in [an issue]({repository(root)}/issues), with"
        " the page and the sentence. What was wrong in a version stands under *Fixed* in the next.",
        introduction.partition("\n")[2].strip(),
        (mark + versions).strip(),
    )
