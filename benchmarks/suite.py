"""Runs the modules of a suite: all of them, or those named."""

from __future__ import annotations

import argparse
import pkgutil
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from rich.console import Console

import benchmarks
from benchmarks.ground import Ground
from benchmarks.rows import Row, machine, table, write
from lambda_arch.config import load_config

WIDTH = 180  # of what is printed into a file


def main(suite: str, description: str | None) -> None:
    """Run `{suite}_NAME` modules; print each one's rows as it ends, and write var/{suite}.json after all of them."""
    known = names(suite)
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{suite}", description=description)
    parser.add_argument("name", nargs="*", help=f"only these, and no file is written: {', '.join(known)}")
    wanted = parser.parse_args().name
    if strange := sorted(set(wanted) - set(known)):
        parser.error(f"there is no {', '.join(strange)}; there are {', '.join(known)}")
    var = load_config().paths.var
    rows = run(suite, wanted or known)
    if not wanted:
        write(rows, var / f"{suite}.json")


def run(suite: str, wanted: Sequence[str]) -> list[Row]:
    """The rows of the suite's modules, each printed as it ends."""
    config, console = load_config(), Console(width=None if sys.stdout.isatty() else WIDTH)
    console.print(f"Measured on {machine()}.", highlight=False)
    config.paths.var.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=config.paths.var, prefix=suite) as folder:
        ground = Ground(config, Path(folder))
        try:
            for name in wanted:
                found: list[Row] = import_module(f"benchmarks.{suite}_{name}").rows(ground)
                console.print(table(name, found), highlight=False)
                rows += found
        finally:
            ground.close()
    return rows


def names(suite: str) -> list[str]:
    """The suite's modules, without its name."""
    found = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__))
    return [name.removeprefix(f"{suite}_") for name in found if name.startswith(f"{suite}_")]
