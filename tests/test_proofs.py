"""What is proven is left out, until anything that its proof hangs on changes."""

import os
import shutil

import pytest

from attention_lib.catalog import find
from tests.support import proofs
from tools.chapters import ROOT

pytest_plugins = ["pytester"]
CARD = find("SqueezeExcitation")
PROJECT = {
    "pyproject.toml": """
        [tool.pytest.ini_options]
        testpaths = ["tests"]
        """,
    "conftest.py": """
        from pathlib import Path
        from tests.support.proofs import Proofs
        def pytest_configure(config):
            config.pluginmanager.register(Proofs(Path(__file__).parent), "proofs")
        """,
    "tests/test_contract.py": """
        import os, pytest
        from attention_lib.catalog import catalog
        @pytest.mark.parametrize("card", catalog("channel")[:4], ids=str)
        @pytest.mark.parametrize("check", [1, 2])
        def test_contract(card, check):
            what = os.environ.get("WHAT") if str(card) == "SqueezeExcitation" and check == 2 else ""
            assert what != "fail"
            if what == "skip":
                pytest.skip()
            if what == "interrupt":
                raise KeyboardInterrupt
        def test_something_else():
            pass
        """,
}


@pytest.fixture
def run(pytester, monkeypatch):
    """Run the tests of a small project, in this process or by pytest-xdist."""
    for name, text in PROJECT.items():
        (pytester.path / name).parent.mkdir(exist_ok=True)
        (pytester.path / name).write_text(text.replace("\n        ", "\n"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(pytester.path)

    def ran(*arguments, **environment):
        with monkeypatch.context() as patch:
            for name in ("ALL", "CI", "WHAT"):
                patch.delenv(name, raising=False)
            for name, value in environment.items():
                patch.setenv(name, value)
            return pytester.inline_run("-q", *arguments, no_reraise_ctrlc=True)

    return ran


def passed(result) -> int:
    return len([r for r in result.getreports("pytest_runtest_logreport") if r.when == "call"])


def test_what_passed_is_left_out_until_a_file_changes(run, pytester, capsys):
    assert passed(run()) == 9
    capsys.readouterr()
    assert passed(run()) == 1
    assert "left out: 8 known proofs of 4 mechanisms (ALL=1)" in capsys.readouterr().out
    assert passed(run(ALL="1")) == passed(run(CI="true")) == 9
    (pytester.path / "constraints.txt").write_text("torch==0")
    assert passed(run()) == 9


def test_processes_share_what_is_proven(run):
    assert passed(run("-n", "1")) == 9
    assert passed(run("-n", "1")) == 1


@pytest.mark.parametrize("what", ["fail", "interrupt", "skip"])
def test_what_did_not_pass_is_not_proven(run, pytester, what):
    def known():
        return os.listdir(pytester.path / ".pytest_cache/proofs")

    run(WHAT=what)
    assert "SqueezeExcitation" not in known()
    run()
    assert "SqueezeExcitation" in known()
    run(ALL="1", WHAT=what)
    assert "SqueezeExcitation" not in known()


@pytest.mark.parametrize("chosen", [("-k", "1-SqueezeExcitation"), ("tests",)], ids=str)
def test_a_part_of_the_tests_proves_nothing(run, chosen):
    assert passed(run(*chosen))
    assert passed(run()) == 9


@pytest.mark.parametrize(
    "file",
    [
        "attention_lib/channel/squeeze_excitation.py",
        "attention_lib/core/heads.py",
        *(f"attention_lib/cards/{name}.py" for name in ("shape", "card", "properties")),
        *(f"attention_lib/checks/{name}.py" for name in ("contract", "answers", "travel")),
        *(f"attention_lib/measure/{name}.py" for name in ("cost", "sizes", "timing")),
        "tests/references/channel.py",
        "tests/oracles/channel.py",
        "tests/channel/test_squeeze_excitation.py",
        "tests/test_contract.py",
        "tests/test_references.py",
        "tests/test_oracles.py",
        "tests/test_memory.py",
        "tests/support/proof.py",
        "tests/conftest.py",
        "constraints.txt",
        "pyproject.toml",
    ],
)
def test_a_proof_hangs_on(file, copy):
    before = proofs.key(CARD, copy)
    path = copy / file
    old, time = path.read_bytes(), path.stat()
    path.write_bytes(old + b"\n")
    os.utime(path, ns=(time.st_atime_ns, time.st_mtime_ns))
    assert proofs.key(CARD, copy) != before
    path.write_bytes(old)
    assert proofs.key(CARD, copy) == before, "a time of a file says nothing"


def test_a_proof_does_not_hang_on_another_mechanism(copy):
    before = proofs.key(CARD, copy)
    for file in (
        "channel/efficient_channel.py",
        "joint/simam.py",
        "teaching/data.py",
        "advice/need.py",
    ):
        path = copy / "attention_lib" / file
        path.write_bytes(path.read_bytes() + b"\n")
    assert proofs.key(CARD, copy) == before


@pytest.mark.parametrize("what", ["python_version", "torch", "processor"])
def test_a_proof_hangs_on_the_machine(monkeypatch, what):
    before = proofs.key(CARD)
    if what == "torch":
        monkeypatch.setattr(proofs.torch, "__version__", "0")
    elif what == "processor":
        monkeypatch.setattr(proofs, "processor", lambda: "another")
    else:
        monkeypatch.setattr(proofs.platform, what, lambda: "0")
    assert proofs.key(CARD) != before


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of what the proofs of all mechanisms may hang on."""
    root = tmp_path_factory.mktemp("copy")
    for name in ("attention_lib", "tests"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    return root
