"""Look up, count, check and time attention mechanisms.

Mechanisms go by any of their names, in any case.  Sizes and constructor arguments are given as
name=value; those that are not have sizes one meets in practice.
"""

import ast
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

try:
    import typer
except ModuleNotFoundError:
    sys.exit('the command line needs typer: pip install "attention-lib[cli]"')

import torch
from rich.console import Console
from rich.padding import Padding
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from attention_lib import __version__
from attention_lib.card import COSTS, Card
from attention_lib.catalog import catalog, find

EXAMPLES = """\b
Examples:
  attention-lib list --family channel
  attention-lib show se
  attention-lib cost mha tokens=1000000
  attention-lib compare se eca --features 256 --height 56
  attention-lib check my_gate.py:MyGate channels=16
  attention-lib bench se eca --axis height,width --sizes 8,16,32,64,128
  attention-lib recommend --layout tokens --tokens 16384 --features 512 --memory 2GiB
"""
COLOURS = {"passed": "green", "xfail": "yellow", "failed": "bold red"}
UNITS = {
    "s": ((1, "s"), (1e-3, "ms"), (1e-6, "µs")),
    "B": ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B")),
}

# Plain help, and our own one-line errors, on a terminal and in a pipe alike
app = typer.Typer(rich_markup_mode=None, add_completion=False, help=__doc__, epilog=EXAMPLES)

Settings = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="Sizes and arguments.")
]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code is 0, 1 if a promise is broken, or 2 if it made no sense."""
    arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        return app(arguments, prog_name="attention-lib", standalone_mode=False) or 0
    except (KeyboardInterrupt, typer.Abort):
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `attention-lib list | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ValueError as error:
        return _failed(str(error))
    except Exception as error:
        if hasattr(error, "format_message"):  # typer's own
            return _failed(error.format_message())
        return _failed(f"{type(error).__name__}: {error}")


def _failed(message: str) -> int:
    print("error:", " ".join(message.split()), file=sys.stderr)
    return 2


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Say the version and stop.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@app.command("list")
def list_(
    family: Annotated[str | None, typer.Option(help="Only one, such as channel.")] = None,
    layout: Annotated[str | None, typer.Option(help="Only maps or only tokens.")] = None,
) -> None:
    """List the mechanisms."""
    if layout not in (None, "maps", "tokens"):
        raise ValueError(f"no layout {layout!r}; there are maps, tokens")
    cards = [card for card in catalog(family) if layout in (None, card.layout)]
    console = _console()
    if console.width < 120:  # too narrow for columns
        for card in cards:
            console.print(f"{card} ({', '.join(card.aliases)}), {card.family}, on {card.layout}")
            console.print(Padding(card.summary, (0, 0, 0, 4)))
        return
    rows = [[str(c), ", ".join(c.aliases), c.family, c.layout, c.summary] for c in cards]
    _table(["mechanism", "aliases", "family", "layout", "what it does"], rows)


@app.command()
def show(
    name: str,
    source: Annotated[bool, typer.Option("--source", help="Print its file too.")] = False,
) -> None:
    """Show a formula, its costs and evidence.

    Shapes, properties, paper and file too: all that the mechanism says of itself.
    """
    from attention_lib.display import citation, evidence

    card = find(name)
    say = _console().print
    say(f"{card.title}: {card}{inspect.signature(card.mechanism)}", soft_wrap=True)
    say(card.summary, soft_wrap=True)
    formula = "\n".join(f"    {line}" for line in card.formula.splitlines())
    say(f"\n{formula}\n", soft_wrap=True)
    answer, file = card.shapes["return"], inspect.getsourcefile(card.mechanism) or ""
    takes = [f"{key} ({', '.join(axes)})" for key, axes in card.shapes.items() if key != "return"]
    kept = [p.__name__.replace("_", " ") for p in card.properties or ()]
    facts = {
        "family": f"{card.family}, works on {card.layout}",
        "aliases": ", ".join(card.aliases),
        "elsewhere": ", ".join(card.elsewhere),
        "takes": "; ".join(takes),
        "gives": f"({', '.join(answer)})",
        "parameters": card.params,
        "multiply-adds": f"{card.macs}, for one sample",
        "largest tensor": f"{card.memory} numbers, for one sample",
        "keeps": ", ".join(sorted(kept)) or "none of the properties measured",
        "evidence": evidence(card).replace("`", ""),
        "cannot": "; ".join(f"{check}: {why}" for check, why in card.cannot.items()),
        "paper": re.sub(r"\[(.*?)\]\((.*?)\)", r"\1, \2", citation(card.paper)),
        "file": file,
    }
    for key, fact in facts.items():
        if fact:
            say(f"{key:15} {fact}", soft_wrap=True)
    if source:
        say("\n" + Path(file).read_text("utf-8"), soft_wrap=True)


@app.command()
def cost(name: str, settings: Settings = None) -> None:
    """Count costs at any size, computing nothing.

    Parameters, multiply-adds and the numbers in the largest tensor, beside what is declared.
    For example: cost mha tokens=1000000, or cost se channels=512 reduction=8.
    """
    from attention_lib.bench import realistic
    from attention_lib.cost import measure

    card = realistic(find(name), **_settings(settings))
    with torch.device("meta"):
        mechanism, inputs = card.build(), card.inputs()
    counted = measure(mechanism, *inputs)
    batch = card.words()["batch"]
    rows = []
    for kind, title in zip(COSTS, ("parameters", "multiply-adds", "largest tensor"), strict=True):
        formula = getattr(card, kind)
        declared = card.cost(kind, batch) if formula else None
        shown = "not declared" if declared is None else f"{declared:,}"
        rows.append([title, f"{getattr(counted, kind):,}", shown, formula])
    _console().print(_instance(card), soft_wrap=True)
    _table(["", "counted", "declared", "formula, for one sample"], rows, right=(1, 2))


@app.command()
def check(
    module: Annotated[str, typer.Argument(help="A mechanism, or path/to/file.py:Class.")],
    settings: Settings = None,
    layout: Annotated[
        str | None, typer.Option(help="maps or tokens, where the class does not say.")
    ] = None,
    sizes: Annotated[
        str | None, typer.Option(help="Axes of the input, as height=7,width=5.")
    ] = None,
) -> None:
    """Hold any module to the contract.

    A line a check: passed, failed, xfail (its card says why it must fail) or not applicable, which
    includes what a module of yours does not declare.  The exit code is 1 if one failed.  The
    forward of your module must take one tensor and return one.
    """
    from attention_lib import checks
    from attention_lib.guest import adopt, held_to

    axes = _settings(sizes.split(",") if sizes else None)
    card = adopt(module, _settings(settings), layout, axes)
    console = _console()
    console.print(_instance(card), soft_wrap=True)
    tally = dict.fromkeys(("passed", "failed", "xfail", "not applicable"), 0)
    for promise, status, why in held_to(card):
        tally[status] += 1
        name = promise.removeprefix("check_").replace("_", " ")
        what = (inspect.getdoc(getattr(checks, promise)) or "").partition("\n")[0]
        if status == "not applicable":
            what = why
        elif why:
            what += f" Found: {why.removesuffix(': ')}"
        line = Text(f"{status:15}", style=COLOURS.get(status, "dim")).append(
            f"{name:24} {what}", style="default"
        )
        console.print(line, soft_wrap=True)
    console.print(", ".join(f"{count} {status}" for status, count in tally.items() if count))
    if tally["failed"]:
        raise typer.Exit(1)


Device = Annotated[str, typer.Option(help="cpu or cuda.")]
Precision = Annotated[str, typer.Option(help="float32, bfloat16, ...")]
Threads = Annotated[int | None, typer.Option(min=1, help="Of the CPU; else torch's.")]


@app.command()
def compare(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME... [NAME=VALUE]...", help="Mechanisms, and sizes.")
    ],
    tokens: Annotated[int | None, typer.Option(min=1, help="Else height times width.")] = None,
    height: Annotated[int | None, typer.Option(min=1, help="Of the map; else 56.")] = None,
    width: Annotated[int | None, typer.Option(min=1, help="Of the map; else its height.")] = None,
    features: Annotated[int, typer.Option(min=1, help="Channels, or size of a token.")] = 256,
    backward: Annotated[bool, typer.Option("--backward", help="Gradients too.")] = False,
    device: Device = "cpu",
    dtype: Precision = "float32",
    threads: Threads = None,
    seconds: Annotated[float, typer.Option(min=0, help="To measure, at least roughly.")] = 10,
) -> None:
    """Compare mechanisms side by side at one size.

    Parameters, multiply-adds, largest tensor, measured time and peak memory.  Those that work on
    maps get a map, and those that work on tokens as many tokens as it has pixels, so that both
    layouts can be compared.
    """
    from attention_lib.bench import side_by_side, sized

    kind, fixed = _machine(device, dtype, threads), _settings([n for n in names if "=" in n])
    cards = [find(name) for name in dict.fromkeys(names) if "=" not in name]
    if not cards:
        raise ValueError("nothing to compare: name two mechanisms or more")
    if tokens is None:
        height = height or 56
        tokens = height * (width or height)
    if height is None and any(card.layout == "maps" for card in cards):
        raise ValueError(f"tokens={tokens} says nothing of a map: give --height and --width too")
    width = width or height
    known = {n for c in cards for n in (*c.sizes, *inspect.signature(c.mechanism).parameters)}
    if unknown := fixed.keys() - known:
        raise ValueError(f"none of them has an axis or argument {', '.join(sorted(unknown))}")
    at_size = [sized(card, features, height, width, tokens, **fixed) for card in cards]
    errors = Console(stderr=True)
    with errors.status("measuring") if errors.is_terminal else nullcontext():
        rows = side_by_side(at_size, device=device, dtype=kind, backward=backward, seconds=seconds)
    _said_where(device, dtype, backward)
    for card in at_size:
        _console().print(_instance(card), soft_wrap=True)
    shown = [
        [
            row.mechanism,
            f"{row.params:,}",
            f"{row.macs:,}",
            f"{row.memory:,}",
            _unit(row.seconds, "s"),
            f"{_unit(row.seconds_low, 's')} to {_unit(row.seconds_high, 's')}",
            _unit(row.peak_bytes, "B"),
        ]
        for row in rows
    ]
    head = ["mechanism", "parameters", "multiply-adds", "largest tensor", "time"]
    _console().print()
    _table([*head, "of ten rounds eight", "peak memory"], shown, right=range(1, 7))


@app.command()
def bench(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME... [NAME=VALUE]...", help="Mechanisms, and sizes.")
    ],
    axis: Annotated[str, typer.Option(help="What grows: tokens, channels, or height,width.")],
    sizes: Annotated[str, typer.Option(help="Its sizes: five over 16 times give an exponent.")],
    backward: Annotated[bool, typer.Option("--backward", help="Gradients too.")] = False,
    device: Device = "cpu",
    dtype: Precision = "float32",
    threads: Threads = None,
    seconds: Annotated[float, typer.Option(min=0, help="To measure, at least roughly.")] = 30,
    json: Annotated[Path | None, typer.Option(help="Store it here, with its provenance.")] = None,
) -> None:
    """Time mechanisms while a size grows.

    All run in the same rounds, in random order, on the same inputs.  Peak memory, counted costs
    and, from five sizes that span 16 times, the exponents of growth stand beside the times.
    """
    from attention_lib.bench import fits, sweep, write

    cards = [find(name) for name in names if "=" not in name]
    fixed = _settings([name for name in names if "=" in name])
    kind = _machine(device, dtype, threads)
    errors = Console(stderr=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task("starting", total=None)

        def progress(done: int, steps: int, what: str) -> None:
            bar.update(task, completed=done, total=steps, description=what)

        rows = sweep(cards, axis, _numbers(sizes), fixed=fixed, device=device, dtype=kind,
                     backward=backward, seconds=seconds, progress=progress)  # fmt: skip
    origin = _said_where(device, dtype, backward)
    say = _console().print
    shown = [
        [
            row.mechanism,
            row.size,
            _unit(row.seconds, "s"),
            f"{_unit(row.seconds_low, 's')} to {_unit(row.seconds_high, 's')}",
            _unit(row.peak_bytes, "B"),
            f"{row.macs:,}",
            f"{row.params:,}",
        ]
        for row in rows
    ]
    head = ["mechanism", axis, "time", "of ten rounds eight", "peak memory", "multiply-adds"]
    _table([*head, "parameters"], shown, right=range(1, 7))
    try:
        time, memory = fits(rows, "seconds"), fits(rows, "peak_bytes")
    except ValueError as error:
        say(f"\nno exponents: {error}", soft_wrap=True)
    else:
        shown = [
            [name, time[name], " ".join(f"{s:.2f}" for s in time[name].slopes), memory[name]]
            for name in time
        ]
        say()
        head = ["mechanism", "exponent of time", "between the sizes", "exponent of peak memory"]
        _table(head, shown)
        say("in brackets: 95 % confidence, if growth were a straight line on log-log paper")
    if json:
        measured = dict(axis=axis, fixed=fixed, backward=backward, rows=rows)
        say(f"stored in {write(json, dict(provenance=origin, sweeps=[measured]))}", soft_wrap=True)


@app.command()
def peers(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Mechanisms; all if none.")
    ] = None,
    device: Device = "cpu",
    compiled: Annotated[bool, typer.Option("--compiled", help="Compile both sides.")] = False,
    seconds: Annotated[float, typer.Option(min=0, help="To measure a ratio, in each process.")] = 1,
) -> None:
    """Time mechanisms beside other packages.

    The same weights and inputs, equal answers demanded first; then time and peak memory, as ratios
    above 1 where ours is ahead.  Needs a clone of the repository, and the packages of its tests.
    """
    clone = Path(__file__).parents[1]
    if not (clone / "tools/peers.py").is_file():
        raise ValueError("the peers are known to a clone of the repository only: type make peers")
    for name in names or ():
        find(name)  # a slip is told before anything is started
    command = [sys.executable, "-m", "tools.peers", *(names or ()), "--device", device]
    command += ["--seconds", str(seconds)] + ["--compiled"] * compiled
    if code := subprocess.run(command, cwd=clone).returncode:
        raise typer.Exit(code)


@app.command()
def recommend(
    layout: Annotated[str, typer.Option(help="tokens or maps.")],
    features: Annotated[int, typer.Option(min=1, help="Channels, or size of a token.")] = 256,
    tokens: Annotated[int | None, typer.Option(min=1, help="Else height times width.")] = None,
    height: Annotated[int | None, typer.Option(min=1, help="Of the map.")] = None,
    width: Annotated[int | None, typer.Option(min=1, help="Of the map; else its height.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Samples in a call.")] = 1,
    memory: Annotated[
        str | None, typer.Option(help="For the largest tensor, as 512MiB or 2GiB.")
    ] = None,
    causal: Annotated[bool, typer.Option("--causal", help="No token looks ahead.")] = False,
    padding: Annotated[
        bool, typer.Option("--padding", help="Sequences of several lengths in a batch.")
    ] = False,
    task: Annotated[str, typer.Option(help="What for, as gate or far; an error lists all.")] = "",
    by: Annotated[str, typer.Option(help="macs, params, memory, or time.")] = "macs",
    backward: Annotated[bool, typer.Option("--backward", help="Times with gradients.")] = False,
    dtype: Precision = "float32",
) -> None:
    """Rank what fits a task by counted cost, and say why.

    Multiply-adds, parameters and the largest tensor are counted at the size given.  Times were
    measured, at the stored size nearest to it.  What cannot be used is left out, with the reason.
    """
    from attention_lib import selection

    need = selection.Need(
        layout, features, tokens, height, width or height, batch,
        selection.parse_bytes(memory) if memory else None, causal, padding, task, backward, dtype,
    )  # fmt: skip
    advice = selection.recommend(need, by)
    say = _console().print
    say(f"{need}; counted for the whole batch, ordered by {by}\n", soft_wrap=True)
    rows = []
    for choice in advice.choices:
        time = choice.measured
        rows.append([
            choice.name,
            f"{choice.macs:,}",
            f"{choice.params:,}",
            _unit(choice.bytes, "B"),
            _unit(time.seconds, "s") if time else "not measured",
            f"{time.where}, {time.machine}" if time else "",
        ])  # fmt: skip
    head = ["mechanism", "multiply-adds", "parameters", "largest tensor", "time", "measured at"]
    if rows:
        _table(head, rows, right=range(1, 5))
    else:
        say("nothing fits")
    say()
    for line in selection.reasons(advice):
        say(line, soft_wrap=True)


def _machine(device: str, dtype: str, threads: int | None) -> torch.dtype:
    """Make ready to measure on a device; the dtype of that name."""
    kind = getattr(torch, dtype, None)
    if not isinstance(kind, torch.dtype) or not kind.is_floating_point:
        raise ValueError(f"dtype={dtype!r} is no floating type of torch")
    if not re.fullmatch(r"(cpu|cuda(:\d+)?)", device):
        raise ValueError(f"device={device!r} must be cpu or cuda")
    if threads:
        torch.set_num_threads(threads)
    return kind


def _said_where(device: str, dtype: str, backward: bool) -> dict[str, object]:
    """Print what was measured, and on which machine; the provenance."""
    from attention_lib.bench import provenance

    origin = provenance(device, dtype=dtype)
    what = "forward and backward" if backward else "forward"
    where = origin.get("gpu", f"{origin['processor']}, threads={origin['threads']}")
    line = f"{what}, {dtype}, {where}, torch {origin['torch']}\n"
    _console().print(line, soft_wrap=True)
    return origin


def _settings(words: Sequence[str] | None) -> dict[str, Any]:
    """["tokens=64", "bias=False"] as {"tokens": 64, "bias": False}; a bare word is a string."""
    found = {}
    for word in words or ():
        name, equals, value = word.partition("=")
        if not (name.isidentifier() and equals and value):
            raise ValueError(f"{word!r} must be of the form name=value")
        try:
            found[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found[name] = value
    return found


def _numbers(text: str) -> list[int]:
    numbers = text.split(",")
    for number in numbers:
        if not number.strip().isdecimal() or int(number) < 1:
            raise ValueError(f"--sizes must be numbers of at least 1, as 8,16,32; got {number!r}")
    return sorted({int(number) for number in numbers})


def _instance(card: Card) -> str:
    """`SqueezeExcitation(channels=16) on x (batch=2, channels=16, height=7, width=5)`."""
    arguments = ", ".join(f"{name}={value}" for name, value in card.example.items())
    words = card.words()
    x = ", ".join(f"{axis}={words[axis]}" for axis in card.shapes["x"])
    return f"{card}({arguments}) on x ({x})"


def _unit(number: float, unit: str) -> str:
    """With the largest unit that leaves a number above 1."""
    scale, name = next((u for u in UNITS[unit] if number >= u[0]), UNITS[unit][-1])
    return f"{number / scale:.3g} {name}"


def _console() -> Console:
    """Standard output; in a pipe it has no colours and so much room that nothing is wrapped."""
    plain = partial(Console, markup=False, highlight=False, emoji=False)
    console = plain()
    return console if console.is_terminal else plain(width=10_000)


def _table(names: Sequence[str], rows: Sequence[Sequence], right: Sequence[int] = ()) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for place, name in enumerate(names):
        side: Literal["left", "right"] = "right" if place in right else "left"
        table.add_column(name, justify=side, overflow="fold", no_wrap=place == 0)
    for row in rows:
        table.add_row(*map(str, row))
    console = _console()
    with console.capture() as captured:
        console.print(table)
    print(re.sub(r" +$", "", captured.get(), flags=re.MULTILINE), end="")


if __name__ == "__main__":
    sys.exit(main())
