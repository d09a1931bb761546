"""Modules as others publish them are judged as they are, and nothing of theirs is changed."""

import copy
import pickle
import sys

import pytest
import torch
from torch import nn

from attention_lib import check
from attention_lib.checks import ready, verdict
from attention_lib.checks.adopt import adopt
from attention_lib.checks.answers import check_samples_do_not_meet, check_shape
from attention_lib.checks.files import load
from attention_lib.checks.travel import check_compile, check_export, check_survives_travel

HEAD = """
import math
from dataclasses import dataclass
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn import init
"""
PUBLISHED = {  # how a class is written: its text, and constructor arguments
    "super by name": (
        """
class Gate(nn.Module):
    made = 0

    def __init__(self, channel, reduction=4):
        super(Gate, self).__init__()
        Gate.made += 1
        assert type(self) is Gate and isinstance(self, Gate) and self.__class__.__name__ == "Gate"
        self.fc = nn.Sequential(nn.Linear(channel, channel // reduction), nn.ReLU(inplace=True),
                                nn.Linear(channel // reduction, channel), nn.Sigmoid())
        self.init_weights()

    def init_weights(self):
        for m in self.modules():
            if isinstance(m, nn.Linear):
                init.normal_(m.weight, std=0.001)

    def forward(self, x):
        b, c, _, _ = x.size()
        return x * self.fc(x.mean((2, 3))).view(b, c, 1, 1).expand_as(x)
""",
        dict(channel=8),
    ),
    "super by its own type": (
        """
class Gate(nn.Module):
    def __init__(self, channels):
        super(self.__class__, self).__init__()
        self.score = nn.Linear(channels, channels)

    def forward(self, input):
        return input * self.score(input.mean((2, 3))).sigmoid()[..., None, None]
""",
        dict(channels=8),
    ),
    "any arguments": (
        """
class Gate(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()
        self.conv = nn.Conv2d(kwargs["channels"], kwargs["channels"], 1)

    def forward(self, x, *args, **kwargs):
        return self.conv(x)
""",
        dict(channels=8),
    ),
    "a second input": (
        """
class Gate(nn.Module):
    def __init__(self, channels, *, out=None):
        nn.Module.__init__(self)
        self.channels = channels // 2
        self.conv = nn.Conv2d(channels, out or channels, 1)

    def forward(self, x, y=None, return_attention=False):
        return self.conv(x if y is None else y) * x
""",
        dict(channels=8),
    ),
    "a sequence of layers": (
        """
class Gate(nn.Sequential):
    def __init__(self, channels, groups=1):
        conv = nn.Conv2d(channels, channels, 3, padding=1, groups=groups)
        super(Gate, self).__init__(conv, nn.BatchNorm2d(channels), nn.ReLU6(inplace=True))
""",
        dict(channels=8),
    ),
    "a data class": (
        """
@dataclass(eq=False)
class Gate(nn.Module):
    channels: int
    reduction: int = 2

    def __post_init__(self):
        super().__init__()
        self.squash = nn.Conv2d(self.channels, self.channels // self.reduction, 1)
        self.excite = nn.Conv2d(self.channels // self.reduction, self.channels, 1)

    def forward(self, x):
        return x * self.excite(F.relu(self.squash(x))).sigmoid()
""",
        dict(channels=8),
    ),
    "slots": (
        """
class Gate(nn.Module):
    __slots__ = ()
    limit = 3.0

    def __init__(self, channels):
        super().__init__()
        self.mix = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x):
        y = self.mix(x.mean((2, 3))[:, None]).clamp(max=self.limit).transpose(-1, -2).unsqueeze(-1)
        return x * y.sigmoid().expand_as(x)
""",
        dict(channels=8),
    ),
    "a property, and a program": (
        """
class Gate(nn.Module):
    def __init__(self, in_planes):
        super().__init__()
        self.conv = nn.Conv2d(in_planes, in_planes, 1)

    @property
    def channels(self):
        return self.conv.in_channels

    def forward(self, feature):
        return feature * self.conv(feature).sigmoid()

if __name__ == "__main__":
    raise SystemExit(Gate(8)(torch.randn(2, 8, 7, 7)).shape)
""",
        dict(in_planes=8),
    ),
    "from a factory": (
        """
class Base(nn.Module):
    registry = {}

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        assert cls.__name__ not in Base.registry, "made twice"
        Base.registry[cls.__name__] = cls

def factory():
    class Gate(Base):
        def __init__(self, channels):
            super(Gate, self).__init__()
            self.weight = nn.Parameter(torch.ones(1, channels, 1, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.weight

    Gate.__qualname__ = "Gate"
    return Gate

Gate = factory()
""",
        dict(channels=8),
    ),
    "a command line of its own": (
        """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float, default=0.5)
options = parser.parse_args()

class Gate(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        return x + options.rate * self.conv(x)
""",
        dict(channels=8),
    ),
}


@pytest.fixture
def write(tmp_path):
    """Write a file, and say where its class is."""

    def to(text, name="published.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(HEAD + text)
        return f"{tmp_path / name}:Gate"

    return to


@pytest.mark.parametrize("how", PUBLISHED)
def test_a_published_class_is_judged_as_it_is(how, write):
    text, arguments = PUBLISHED[how]
    before, path = dict(sys.modules), list(sys.path)
    gate = load(write(text))
    as_it_was = {k: v for k, v in vars(gate).items() if k != "made"}
    card = adopt(gate, arguments, "maps")
    mechanism, inputs = ready(card)
    assert type(mechanism) is gate is card.mechanism and str(card) == "Gate"
    assert torch.equal(mechanism(*inputs), pickle.loads(pickle.dumps(mechanism))(*inputs))
    checks = (check_shape, check_samples_do_not_meet, check_survives_travel)
    for promise in (*checks, check_compile, check_export):
        assert verdict(promise, card) == ("passed", ""), promise.__name__
    assert {k: v for k, v in vars(gate).items() if k != "made"} == as_it_was
    assert sys.path == path and {k: sys.modules[k] for k in before} == before
    assert getattr(sys.modules[gate.__module__], "Gate") is gate  # noqa: B009 - not in the file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise SystemExit('bye')", "published.py does not run: SystemExit: bye"),
        ("import sys; sys.exit(3)", "published.py does not run: SystemExit: 3"),
        (
            "import argparse\nparser = argparse.ArgumentParser()\n"
            "parser.add_argument('--rate', required=True)\nparser.parse_args()",
            "SystemExit: 2 (published.py: error: the following arguments are required: --rate)",
        ),
        ("from .nowhere import Gate", "does not run: ImportError: attempted relative import"),
        ("1 / 0", "does not run: ZeroDivisionError: division by zero"),
        ("def Gate(): pass", "say which class of"),
        ("class Gate: pass", "it has none"),
    ],
)
def test_a_file_that_does_not_run_is_an_error_of_one_line(text, said, write, capsys):
    before = dict(sys.modules)
    with pytest.raises(ValueError) as error:
        load(write(text))
    assert said in str(error.value) and "usage:" not in str(error.value)
    assert capsys.readouterr().err == ""
    new = sys.modules.keys() - before.keys()
    assert any(name.startswith("published") for name in new) is ("class" in said or "none" in said)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise SystemExit('stop')", "SystemExit: stop"),
        ("return x, x", "forward must return one tensor, it returns a tuple"),
        ("return x.nothing()", "AttributeError: "),
    ],
)
def test_a_forward_that_does_not_work_is_named(body, said, write):
    place = write(f"class Gate(nn.Module):\n    def forward(self, x):\n        {body}\n")
    with pytest.raises(ValueError, match=r"^Gate\(\) does not work: ") as error:
        check(place, layout="maps", sizes=dict(channels=4))
    assert said in str(error.value)


def test_a_file_of_a_package_may_import_its_neighbours(write, tmp_path):
    (tmp_path / "somepackage").mkdir()
    (tmp_path / "somepackage" / "__init__.py").write_text("")
    (tmp_path / "somepackage" / "layers.py").write_text("WIDE = 3\n")
    text = PUBLISHED["any arguments"][0].replace("1)", "WIDE, padding=1)")
    gate = load(write("from .layers import WIDE\n" + text, "somepackage/gates.py"))
    assert gate.__module__ == "somepackage.gates"
    card = adopt(gate, dict(channels=8))
    assert verdict(check_survives_travel, card) == ("passed", "")
    again = load(write("from .layers import WIDE\n" + text, "somepackage/gates.py"))
    assert again is not gate and sys.modules["somepackage.gates"].Gate is gate


class Scored(nn.Module):
    def __init__(self, network: nn.Module, channels: int):
        super().__init__()
        self.network, self.channels = network, channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x).sigmoid() * x


@pytest.mark.filterwarnings("ignore:.*torch.jit", "ignore:The .grad attribute")
def test_a_module_that_is_there_is_copied():
    made = Scored(nn.Conv2d(8, 8, 1), channels=8)
    before = copy.deepcopy(made.state_dict())
    found = {c.check: c for c in check(made, layout="maps")}
    assert found["check_shape"].verdict == found["check_meta"].verdict == "passed"
    for name, tensor in made.state_dict().items():
        assert torch.equal(tensor, before[name])
    script = torch.jit.script(made)
    card = adopt(script, {}, "maps", dict(channels=8))
    assert verdict(check_shape, card) == verdict(check_samples_do_not_meet, card) == ("passed", "")


@pytest.mark.parametrize(
    ("thing", "more", "said"),
    [
        (5, {}, "a name, file.py:Class, module or class of one is wanted, got 5"),
        (None, {}, "module or class of one is wanted, got None"),
        (dict, {}, "module or class of one is wanted, got <class 'dict'>"),
        (
            "se",
            dict(sizes=dict(tokens=3)),
            "no axis 'tokens'; it has batch, channels, height, width",
        ),
        ("se", dict(sizes=dict(height=0)), "height=0 must be a number, at least 1"),
        ("se", dict(sizes=dict(height="7")), "height='7' must be a number, at least 1"),
        ("se", dict(sizes=dict(height=10**20)), "is too large: it must be at most 2147483647"),
        (nn.ReLU(), {}, "say which layout ReLU has: maps or tokens"),
        (nn.ReLU(), dict(layout="maps"), "say how many channels the input of ReLU has, as a size"),
    ],
)
def test_what_cannot_be_checked_is_named(thing, more, said):
    with pytest.raises((TypeError, ValueError)) as error:
        check(thing, **more)
    assert said in str(error.value)
