"""Stand-ins for the CUDA libraries, so that a wheel of torch made for a GPU works on a CPU.

    python -m tools.stand_ins .venv/versions/floor-3.11/lib/python3.11/site-packages

The wheels of torch that pip finds for Linux want gigabytes of CUDA libraries before they can be
imported, and call none of them on a machine without a GPU.  Here each such library is built,
with every symbol that torch asks of it; a call answers "no device".  The requirements are struck
off torch's list too, so that pip finds nothing missing.  For tests alone: never to be shipped.

Needs gcc, and readelf and nm of binutils.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

PROGRAMS = ("gcc", "readelf", "nm")
CUDA_LIBRARY = re.compile(r"lib(cu|nv|nccl)")
CUDA_SYMBOL = re.compile(r"(__cuda|cu[a-zA-Z]|nv|nccl)")
CUDA_PACKAGE = re.compile(r"Requires-Dist: (nvidia|cuda|triton)")
NO_DEVICE = 100  # cudaErrorNoDevice


def missing_programs() -> list[str]:
    """Which of the programs that are needed this machine has not."""
    return [name for name in PROGRAMS if not shutil.which(name)]


def without_cuda(packages: Path) -> list[str]:
    """Make the torch in a site-packages folder work without CUDA; the libraries made."""
    for metadata in packages.glob("torch-*.dist-info/METADATA"):
        lines = metadata.read_text("utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not CUDA_PACKAGE.match(line)]
        metadata.write_text("".join(kept), "utf-8")
    folder = packages / "torch/lib"
    return write_stand_ins([*folder.glob("*.so*"), *packages.glob("torch/_C*.so")], folder)


def write_stand_ins(files: list[Path], folder: Path) -> list[str]:
    """Write into `folder` each CUDA library that the shared libraries `files` need."""
    needed: set[str] = set()
    versions: defaultdict[str, set[str]] = defaultdict(set)  # of a library
    symbols: defaultdict[str, set[str]] = defaultdict(set)  # of a version; "" for those without
    for path in files:
        needed |= set(re.findall(r"\(NEEDED\).*\[(.*)\]", _told("readelf", "-dW", path)))
        for part in re.split(r"Version: \d+ +File: ", _told("readelf", "-VW", path))[1:]:
            library = part.split(maxsplit=1)[0]
            versions[library] |= set(re.findall(r"Name: (\S+)", part))
        undefined = _told("nm", "-D", "--undefined-only", path)
        for name, version in re.findall(r" U (\w+)(?:@+(\S+))?", undefined):
            symbols[version].add(name)
    plain = {name for name in symbols[""] if CUDA_SYMBOL.match(name)}
    made = sorted(name for name in needed if CUDA_LIBRARY.match(name))
    for library in made:
        named = {version: symbols[version] for version in versions[library]}
        # what has no version is looked for in every library: it is enough that one has it
        _compile(folder / library, named, plain if library == made[0] else set())
    return made


def _compile(library: Path, named: dict[str, set[str]], plain: set[str]) -> None:
    """A shared library of functions with versions and without, none of which does anything."""
    functions = plain.union(*named.values())
    script = [
        f"{version} {{ global: {' '.join(f'{name};' for name in sorted(names))} }};"
        for version, names in sorted(named.items())
    ]
    with tempfile.TemporaryDirectory() as place:
        source, versions = Path(place, "stand_in.c"), Path(place, "versions.map")
        source.write_text("".join(map(_function, sorted(functions))) or "typedef int empty;\n")
        versions.write_text("\n".join(script))
        options = ["-shared", "-fPIC", "-w", "-fno-builtin", f"-Wl,-soname,{library.name}"]
        if script:
            options.append(f"-Wl,--version-script={versions}")
        _told("gcc", *options, "-o", library, source)


def _function(name: str) -> str:
    if "String" in name or "ErrorName" in name:  # these return text, which is printed
        return f'const char *{name}(void) {{ return "no CUDA here"; }}\n'
    return f"long {name}(void) {{ return {NO_DEVICE}; }}\n"


def _told(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    print(*without_cuda(Path(sys.argv[1])), sep="\n")
