"""Runs the modules of a suite: all of them, or those named."""

from __future__ import annotations

import argparse
import pkgutil
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from msgspec import structs
from rich.console import Console

import benchmarks
from benchmarks.ground import Ground
from benchmarks.rows import Row, machine, table, write
from lambda_arch.config import load_config

WIDTH = 180  # of what is printed into a file


def main(suite: str, description: str | None) -> None:
    """Run `{suite}_NAME` modules; as each one ends print its rows, and write them into var/{suite}.json."""
    known = names(suite)
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{suite}", description=description)
    parser.add_argument("name", nargs="*", help=f"only these: {', '.join(known)}")
    wanted = parser.parse_args().name
    if strange := sorted(set(wanted) - set(known)):
        parser.error(f"there is no {', '.join(strange)}; there are {', '.join(known)}")
    run(suite, wanted or known)


def run(suite: str, wanted: Sequence[str]) -> None:
    """Measure what the suite's modules measure, one after the other."""
    config, console = load_config(), Console(width=None if sys.stdout.isatty() else WIDTH)
    console.print(f"Measured on {machine()}.", highlight=False)
    config.paths.var.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=config.paths.var, prefix=suite) as folder:
        ground = Ground(config, Path(folder))
        try:
            for name in wanted:
                found: list[Row] = import_module(f"benchmarks.{suite}_{name}").rows(ground)
                console.print(table(name, found), highlight=False)
                write([structs.replace(row, module=name) for row in found], config.paths.var / f"{suite}.json")
        finally:
            ground.close()


def names(suite: str) -> list[str]:
    """The suite's modules, without its name."""
    found = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__))
    return [name.removeprefix(f"{suite}_") for name in found if name.startswith(f"{suite}_")]
