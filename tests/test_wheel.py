"""What readers install: the wheel is whole, works anywhere, and is quick to import."""

import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml

from attention_lib import __version__
from tools.chapters import ROOT
from tools.wheel import built_wheel

pytestmark = pytest.mark.xdist_group("wheel")  # built once


def python(*arguments: str, cwd: Path) -> str:
    """What a fresh interpreter prints; `-I` keeps this folder and the environment out of it."""
    done = subprocess.run(
        [sys.executable, "-I", *arguments], cwd=cwd, capture_output=True, text=True
    )
    assert not done.returncode, done.stderr
    return done.stdout


def from_wheel(code: str, cwd: Path) -> str:
    """Run code where `attention_lib` can only come from the wheel, unpacked."""
    place = cwd / "unpacked"
    with ZipFile(built_wheel()) as wheel:
        wheel.extractall(place)
    return python("-c", f"import sys; sys.path.insert(0, {str(place)!r})\n{code}", cwd=cwd)


def test_the_wheel_holds_every_file_of_the_library():
    """Modules, samples and the typing marker; measurements and bibliography; nothing else."""
    library = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "attention_lib").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    stored = {
        f"attention_lib/results/{path.relative_to(ROOT / 'book/results').as_posix()}"
        for path in (ROOT / "book/results").rglob("*")
        if path.is_file()
    }
    names = ZipFile(built_wheel()).namelist()
    assert {name for name in names if ".dist-info/" not in name} == {
        *library,
        *stored,
        "attention_lib/references.bib",
    }
    assert {"attention_lib/py.typed", "attention_lib/__main__.py"} <= library
    assert any(name.endswith(".npz") for name in library)
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_the_wheel_has_the_version_of_its_source():
    [metadata] = [n for n in ZipFile(built_wheel()).namelist() if n.endswith("/METADATA")]
    assert f"\nVersion: {__version__}\n" in ZipFile(built_wheel()).read(metadata).decode()


def test_citation_and_changelog_tell_the_version():
    """The newest release is this version; above it may stand what is not released yet."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    headings = re.findall(r"^## \[(.+?)\](?: - (.+))?$", text, flags=re.M)
    if headings[0] == ("Unreleased", ""):
        headings.pop(0)
    assert headings[0] == (__version__, cited["date-released"])
    assert cited["version"] == __version__


def test_an_editable_installation_holds_no_copies(tmp_path):
    """Measurements and bibliography are read where they lie; a copy would go stale."""
    code = f"from hatchling.build import build_editable\nbuild_editable({str(tmp_path)!r})"
    python("-c", code, cwd=ROOT)
    [wheel] = tmp_path.glob("*.whl")
    names = [name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name]
    assert [Path(name).suffix for name in names] == [".pth"]


def test_the_wheel_works_away_from_the_repository(tmp_path):
    told = from_wheel(
        "import attention_lib\n"
        "from attention_lib.catalog import catalog, create\n"
        "from importlib import import_module\n"
        "from pathlib import Path\n"
        "import pkgutil, torch\n"
        "for found in pkgutil.walk_packages(attention_lib.__path__, 'attention_lib.'):\n"
        "    if not found.name.endswith('__main__'):\n"
        "        assert import_module(found.name).__file__.startswith(sys.path[0]), found.name\n"
        "for card in catalog():\n"
        "    card.build()\n"
        "assert create('se', channels=64)(torch.zeros(1, 64, 2, 2)).shape == (1, 64, 2, 2)\n"
        "print(len(catalog()))",
        tmp_path,
    )
    assert int(told) >= 5


def test_the_command_line_works_from_the_wheel(tmp_path):
    told = from_wheel(
        "import runpy\nsys.argv = ['attention-lib', 'list']\n"
        "runpy.run_module('attention_lib', run_name='__main__')",
        tmp_path,
    )
    assert "SqueezeExcitation" in told


def test_the_import_costs_little_beyond_torch(tmp_path):
    """Counted, not timed: which packages it loads, and how many modules of torch it makes."""
    told = from_wheel(
        "import torch\n"
        "made = []\n"
        "init = torch.nn.Module.__init__\n"
        "torch.nn.Module.__init__ = lambda self: made.append(self) or init(self)\n"
        "tops = lambda: {name.partition('.')[0] for name in sys.modules}\n"
        "before = tops()\n"
        "from attention_lib.catalog import catalog\n"
        "catalog()\n"
        "print(len(made), *tops() - before)",
        tmp_path,
    )
    made, *loaded = told.split()
    assert made == "0", f"import attention_lib makes {made} modules"
    assert set(loaded) <= {"attention_lib", "einops", "jaxtyping"}, f"it loads {loaded}"
