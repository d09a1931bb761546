"""The rows of versions.txt, when `make versions` is green, and stand-ins for missing libraries."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tools import versions
from tools.stand_ins import without_cuda, write_stand_ins
from tools.versions import ROOT, ROWS, Failed, NotRun, RowError, main, parse, status

GOOD = (
    "floor 3.11 torch==2.6.0 numpy==1.26.4;python_version<'3.13'\n\nnewest 3.11 torch  # today's\n"
)


def test_rows_are_read():
    floor, newest = parse(GOOD)
    assert (floor.name, floor.python, floor.torch) == ("floor", "3.11", "torch==2.6.0")
    assert floor.pins == ("numpy==1.26.4;python_version<'3.13'",)
    assert (newest.torch, newest.pins) == ("torch", ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "colab 3.13", "line 4: a row is a name, a Python and a torch: colab 3.13"),
        (GOOD + "Colab 3.13 torch", "line 4: the name 'Colab' is not"),
        (GOOD + "floor 3.12 torch", "line 4: there are two rows floor"),
        (GOOD + "colab python3 torch", "line 4: 'python3' is no Python"),
        (GOOD + "colab 3.13 torch>=2.11", "line 4: 'torch>=2.11' is neither"),
        (GOOD + "colab 3.13 numpy==2.1.3", "line 4: 'numpy==2.1.3' is neither"),
        (GOOD + "colab 3.13 torch numpy", "line 4: 'numpy' is no pin"),
        (GOOD.replace("newest", "latest"), "there is no row newest"),
    ],
)
def test_a_wrong_row_is_named(text, message):
    with pytest.raises(RowError) as error:
        parse(text)
    assert str(error.value).startswith(message)


def test_the_floor_row_is_what_the_library_claims():
    """Each lower bound of pyproject.toml is a pin of the floor row, and so is the oldest Python."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    floor = next(row for row in parse(ROWS.read_text("utf-8")) if row.name == "floor")
    pinned = dict(pin.partition(";")[0].split("==") for pin in (floor.torch, *floor.pins))
    bounds = [*project["dependencies"], *project["optional-dependencies"]["plot"]]
    for name, bound in (claimed.split(">=") for claimed in bounds if ">=" in claimed):
        assert pinned[name] in (bound, f"{bound}.0"), f"{name}>={bound}, but {pinned[name]}"
    assert project["requires-python"] == f">={floor.python}"


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """A file of three rows whose Pythons nobody has; nothing is installed."""
    path = tmp_path / "versions.txt"
    path.write_text("floor 3.901 torch==2.6.0\ncolab 3.902 torch\nnewest 3.903 torch\n")
    monkeypatch.setattr(versions, "ROWS", path)
    return path


def test_a_row_without_its_python_is_not_run(rows, capsys):
    assert main(["floor", "colab"]) == 1
    told = capsys.readouterr().out
    assert "NOT RUN: floor: there is no Python 3.901 here" in told
    assert "NOT RUN: colab: there is no Python 3.902 here" in told
    assert "newest" not in told


def test_a_name_of_a_python_that_leads_nowhere_is_none(tmp_path, monkeypatch):
    """As pyenv has it: python3.901 is on the PATH, and says that there is no such version."""
    nowhere = tmp_path / "python3.901"
    nowhere.write_text("#!/bin/sh\nexit 127\n")
    nowhere.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    with pytest.raises(NotRun, match=r"no Python 3\.901 here"):
        versions.find_python("3.901")


def test_a_row_without_a_compiler_is_not_run(rows, capsys, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("PATH", str(rows.parent))  # an empty one, but for the rows
    assert main(["colab"]) == 1
    assert "NOT RUN: colab: gcc and readelf and nm missing; type: sudo" in capsys.readouterr().out


def test_another_python_can_be_asked_for(rows, capsys):
    assert main(["colab", "--python", "3.904"]) == 1
    assert "NOT RUN: colab: there is no Python 3.904 here" in capsys.readouterr().out


def test_an_unknown_row_is_refused(rows, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["latest"])
    assert "there is no row latest; there are floor, colab, newest" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("floor", "colab", "newest", "asked", "expected"),
    [
        (None, None, None, [], 0),
        (None, NotRun, None, [], 0),  # Colab's Python is not everywhere
        (NotRun, None, None, [], 1),
        (None, None, NotRun, [], 1),
        (None, Failed, None, [], 1),
        (Failed, None, None, [], 1),
        (None, None, None, ["colab"], 0),
        (None, NotRun, None, ["colab"], 1),  # who names a row wants it run
        (None, Failed, None, ["colab"], 1),
        (NotRun, NotRun, None, ["newest"], 0),
    ],
)
def test_green_means_that_all_that_must_run_ran(
    rows, capsys, monkeypatch, floor, colab, newest, asked, expected
):
    outcome = {"floor": floor, "colab": colab, "newest": newest}

    def prove(row, parts):
        if error := outcome[row.name]:
            raise error("why")

    monkeypatch.setattr(versions, "prove", prove)
    assert main(asked) == expected
    told = capsys.readouterr().out
    for name in asked or outcome:
        assert ("NOT RUN: " + name + ": why" in told) == (outcome[name] is NotRun)
        assert (f"{name:8} FAILED: why" in told) == (outcome[name] is Failed)


def test_what_never_ran_is_not_green():
    assert status({}, versions.REQUIRED) == 1
    assert status({"floor": "passed"}, versions.REQUIRED) == 1


@pytest.mark.parametrize(
    ("told", "count"), [("passed", "2 tests passed"), ("failed", "1 tests passed, 1 failures")]
)
def test_tests_are_counted(tmp_path, monkeypatch, told, count):
    test = tmp_path / "test_one.py"
    test.write_text(f"def test_a(): pass\ndef test_b(): assert {told == 'passed'}\n")
    monkeypatch.setattr(versions, "TESTS", (str(test),))
    if told == "passed":
        assert versions.run_tests(Path(sys.executable)) == count
    else:
        with pytest.raises(Failed, match=count):
            versions.run_tests(Path(sys.executable))


def test_tests_that_are_not_there_are_no_success(monkeypatch):
    monkeypatch.setattr(versions, "TESTS", ("tests/test_nothing.py",))
    with pytest.raises(Failed):
        versions.run_tests(Path(sys.executable))


# ---- stand-ins: a library that needs another, which is then taken away

OTHER = "long cublasTake(void) { return 7; }\nlong cublasPlain(void) { return 7; }\n"
OURS = "extern long cublasTake(void), cublasPlain(void);\n"
OURS += "long ask(void) { return cublasTake(); }\nlong plain(void) { return cublasPlain(); }\n"


@pytest.fixture
def orphan(tmp_path: Path) -> Path:
    """A library that needs version 12 of a symbol of libcublas.so.12, and libcudart.so.12."""
    (tmp_path / "version.map").write_text("libcublas.so.12 { global: cublasTake; };")
    for name, text, options in (
        ("libcublas.so.12", OTHER, ["-Wl,--version-script=version.map"]),
        ("libcudart.so.12", "", []),
        ("ours.so", OURS, ["libcublas.so.12", "libcudart.so.12", "-Wl,-rpath,$ORIGIN"]),
    ):
        (tmp_path / "source.c").write_text(text)
        options = [f"-Wl,-soname,{name}", "-Wl,--no-as-needed,-z,now", *options]
        command = ["gcc", "-shared", "-fPIC", "source.c", "-o", name, *options]
        subprocess.run(command, cwd=tmp_path, check=True)
    for needed in ("libcublas.so.12", "libcudart.so.12"):
        (tmp_path / needed).unlink()
    return tmp_path / "ours.so"


def loaded(library: Path) -> subprocess.CompletedProcess:
    """What it answers, asked in a process of its own: one that is loaded serves all by its name."""
    ask = f"import ctypes; ours = ctypes.CDLL({str(library)!r}); print(ours.ask(), ours.plain())"
    return subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True)


def test_a_stand_in_has_what_is_asked_of_a_missing_library(orphan):
    assert "cannot open shared object file" in loaded(orphan).stderr
    assert write_stand_ins([orphan], orphan.parent) == ["libcublas.so.12", "libcudart.so.12"]
    done = loaded(orphan)
    assert done.stdout == "100 100\n", done.stderr  # no device


def test_torch_no_longer_asks_for_cuda(tmp_path):
    """What pip reads of it: the requirements stay, without those of a GPU."""
    told = tmp_path / "torch-2.6.0.dist-info/METADATA"
    told.parent.mkdir()
    wanted = "Name: torch\nRequires-Dist: filelock\n{}Requires-Dist: sympy==1.13.1\n\nText.\n"
    cuda = 'Requires-Dist: nvidia-nccl-cu12==2.21.5; platform_system == "Linux"\n'
    told.write_text(wanted.format(f"{cuda}Requires-Dist: triton==3.2.0\n"))
    assert without_cuda(tmp_path) == []
    assert told.read_text() == wanted.format("")


@pytest.mark.parametrize("name", ["floor", "colab", "newest"])
def test_all_notebooks_run_with_colabs_versions(name, monkeypatch):
    ran = []
    monkeypatch.setattr(versions, "install", lambda row: Path("python"))
    monkeypatch.setattr(versions, "versions", lambda python: "")
    monkeypatch.setattr(versions, "run_notebook", lambda python, notebook: ran.append(notebook))
    [row] = [row for row in parse(ROWS.read_text("utf-8")) if row.name == name]
    versions.prove(row, ("notebook",))
    every = sorted((ROOT / "notebooks").glob("*.ipynb"))
    assert ran == (every if name == "colab" else [ROOT / "notebooks/start.ipynb"])
