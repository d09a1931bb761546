"""Train what the chapters report, many times over, and store each run with where it came from.

    python -m tools.experiments            # all of them
    python -m tools.experiments channel    # one family

A run that is stored is not run again: stop whenever you like and go on later.  `--fresh` begins
again.  Results go to book/results/<device>/<family>-*.json.
"""

import argparse
from importlib import import_module
from pkgutil import iter_modules

import torch

import tools.experiments

SHELVES = sorted(module.name for module in iter_modules(tools.experiments.__path__))
FOUND = {name: import_module(f"tools.experiments.{name}") for name in SHELVES if name[0] != "_"}
EXPERIMENTS = {name: vars(found)["EXPERIMENTS"] for name, found in FOUND.items()
               if "EXPERIMENTS" in vars(found)}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="family", help=", ".join(EXPERIMENTS))
    parser.add_argument("--fresh", action="store_true", help="forget what is stored")
    chosen = parser.parse_args()
    for name in chosen.names:
        if name not in EXPERIMENTS:
            parser.error(f"no family is called {name!r}; there is {', '.join(EXPERIMENTS)}")
    torch.set_num_threads(1)  # one core a run: the same numbers on every machine of a kind
    for name in chosen.names or EXPERIMENTS:
        for experiment in EXPERIMENTS[name]:
            experiment(chosen.fresh)


if __name__ == "__main__":
    main()
