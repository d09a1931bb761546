"""Where a measurement comes from, and where it lies.

    save("my-bench", {"rows": rows})
    for payload in load("my-bench"): ...

What is stored carries its provenance: machine, threads, versions, date, and a digest of the code.
"""

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import torch

import attention_lib
from attention_lib.measure.source import digests

HOME = Path(attention_lib.__file__).parent
CHECKOUT = HOME.parent / "book" / "results"  # in a clone of the repository
PACKED = HOME / "results"  # its copy inside the wheel


def provenance(
    device: str = "cpu", measured: Iterable[str] = (), **more: object
) -> dict[str, object]:
    """What one must know to repeat a measurement: machine, threads, versions, source, date.

    And to trust it: a `load` well above `threads` means that others were at work on the machine.

    Args:
        device: what was measured on, "cpu" or "cuda".
        measured: whose numbers they are, named as `source.digest` names them; their digests are
            what tells later that a number is one of older code.
        more: what else to say, such as `dtype` or `command`.
    """
    processor, cores = _processor()
    known = dict(
        device=device_slug(device),
        processor=processor,
        cores=cores,
        threads=torch.get_num_threads(),
        memory_gib=_memory_gib(),
        load=round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,  # the last minute
        gpu=torch.cuda.get_device_name(device) if is_cuda(device) else None,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        torch=torch.__version__,
        attention_lib=attention_lib.__version__,
        commit=_commit(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        environment={k: v for k, v in sorted(os.environ.items()) if k.startswith("MALLOC_")},
        source=digests(measured) or None,
    )
    return {**{k: v for k, v in known.items() if v is not None}, **more}


def device_slug(device: str = "cpu") -> str:
    """A folder's name for what was measured on: "cpu-amd-epyc-2-cores", "cuda-nvidia-h200"."""
    if is_cuda(device):
        words = f"cuda {torch.cuda.get_device_name(device)}"
    else:
        words = "cpu {} {} cores".format(*_processor())
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def save(
    name: str,
    payload: Mapping[str, object],
    folder: Path | str | None = None,
    *,
    device: str = "cpu",
) -> Path:
    """Write `payload` and its provenance to <folder>/<device_slug>/<name>.json.

    Args:
        name: of small letters, digits and hyphens.
        payload: what JSON can hold, and dataclasses; a "provenance" in it replaces ours.
        folder: book/results if None, in a clone of the repository.
        device: what was measured on.

    Raises:
        ValueError: if the name is unfit, or outside a clone no folder is given.
    """
    if not re.fullmatch(r"[a-z0-9-]+", name):
        raise ValueError(f"name={name!r} must be made of small letters, digits and hyphens")
    if folder is None:
        if not CHECKOUT.is_dir():
            raise ValueError("this is no clone of the repository: say folder=... to save there")
        folder = CHECKOUT
    path = Path(folder) / device_slug(device) / f"{name}.json"
    return write(path, {"provenance": provenance(device, mechanisms(payload)), **payload})


def mechanisms(told: object) -> list[str]:
    """The mechanisms that have a row in what is to be stored, however deep in it."""
    told = asdict(told) if is_dataclass(told) and not isinstance(told, type) else told
    parts = told.values() if isinstance(told, Mapping) else told
    found = [told["mechanism"]] if isinstance(told, Mapping) and "mechanism" in told else []
    if isinstance(parts, str) or not isinstance(parts, Iterable):
        return found
    return list(dict.fromkeys([*found, *(name for part in parts for name in mechanisms(part))]))


def load(name: str) -> list[dict]:
    """What `save` wrote under this name, from each device that has it; [] if none has."""
    return [json.loads(path.read_text("utf-8")) for path in sorted(_shelf().glob(f"*/{name}.json"))]


@cache
def load_all() -> dict[str, list[dict]]:
    """Every stored measurement, by name."""
    return {name: load(name) for name in sorted({path.stem for path in _shelf().glob("*/*.json")})}


def write(path: Path | str, payload: object) -> Path:
    """Write JSON that people can read: a row a line, six digits of each measured number."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(_readable(payload) + "\n", "utf-8")
    os.replace(draft, path)  # at once: a run that is stopped leaves the old file or the new one
    return path


def is_cuda(device: str) -> bool:
    """Whether that is a GPU.

    Raises:
        ValueError: if it is no CPU either.
    """
    if not re.fullmatch(r"cpu|cuda(:\d+)?", str(device)):
        raise ValueError(f"device={device!r} must be cpu or cuda")
    return str(device) != "cpu"


def check_device(device: str) -> None:
    """Refuse a device that is not here.

    Raises:
        ValueError: if it is neither a CPU nor a GPU of this machine.
    """
    number = int(str(device).partition(":")[2] or 0) if is_cuda(device) else -1
    if number >= torch.cuda.device_count():
        raise ValueError(f"device={device!r}, but torch sees no GPU of that number here")


def _shelf() -> Path:
    return CHECKOUT if CHECKOUT.is_dir() else PACKED


def _processor() -> tuple[str, int]:
    """Its name and how many cores the system shows."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    name = found[1].strip() if found else platform.processor() or platform.machine()
    return name, os.cpu_count() or 1


def _memory_gib() -> int | None:
    if sys.platform == "win32":
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def _commit() -> str | None:
    """The commit of the clone this runs in, with a + if files differ from it."""
    if not CHECKOUT.is_dir():
        return None
    command = ["git", "-C", str(HOME.parent), "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None  # no git, or nothing committed


def _readable(value: object, indent: str = "") -> str:
    """JSON with each innermost list or dictionary on a line of its own."""
    value = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    if isinstance(value, float):
        value = float(f"{value:.6g}")
    inside = indent + " "
    if isinstance(value, Mapping):
        parts = [f"{json.dumps(str(k))}: {_readable(v, inside)}" for k, v in value.items()]
        nested, ends = any(map(_is_container, value.values())), "{}"
    elif isinstance(value, list | tuple):
        parts = [_readable(v, inside) for v in value]
        nested, ends = any(map(_is_container, value)), "[]"
    else:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    if not nested:
        return ends[0] + ", ".join(parts) + ends[1]
    return ends[0] + f"\n{inside}" + f",\n{inside}".join(parts) + f"\n{indent}" + ends[1]


def _is_container(value: object) -> bool:
    return isinstance(value, Mapping | list | tuple) or is_dataclass(value)
