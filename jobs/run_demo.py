"""The whole lambda on real data, on this machine: `lambda-arch demo`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from jobs.stopping import stop_flag
from lambda_arch.config import Config, load_config

WIDTH = 150
SETTINGS = Path(__file__).parents[1] / "demo" / "settings.yaml"


def demo(
    small: Annotated[bool, typer.Option("--small", help="A stable slice of the data, for a quick look.")] = False,
    stay: Annotated[bool | None, typer.Option(help="Keep the API up until Ctrl-C; by default on a terminal.")] = None,
) -> None:
    """Servers, real data, a night, a stream, answers and how good they are; writes var/demo/report.json."""
    from demo import report
    from demo.pipeline import run_demo
    from deploy import servers

    config, console, begun = load_config(file=SETTINGS), wide_console(), time.monotonic()
    path = config.paths.var / "demo" / "report.json"
    try:
        found = run_demo(config, small, lambda stage: _say(console, begun, stage))
        report.write(found, path)
        report.show(found, console)
        console.print(f"Written to {path}. Whole run: {time.monotonic() - begun:.0f} s.", highlight=False)
        if sys.stdout.isatty() if stay is None else stay:
            _stay(config, console)
    finally:
        servers.down(config)


def wide_console() -> Console:
    """A terminal has a width; a file or pipe would get eighty columns, too few for the tables."""
    return Console() if sys.stdout.isatty() else Console(width=WIDTH)


def _say(console: Console, begun: float, stage: str) -> None:
    console.print(f"[dim]{time.monotonic() - begun:6.1f} s[/dim]  {stage}", highlight=False)


def _stay(config: Config, console: Console) -> None:
    console.print(
        f"The API answers at http://{config.serving.host}:{config.serving.port}/ until Ctrl-C or `make down`."
    )
    stop_flag().wait()


if __name__ == "__main__":
    typer.run(demo)
