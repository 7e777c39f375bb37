"""Send files of events and posts to the broker."""

from __future__ import annotations

from dataclasses import asdict
from itertools import chain
from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from lambda_arch.config import load_config
from streaming.produce import ProduceError, produce, read_records


def produce_events(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", exists=True, dir_okay=False, help="JSON lines.")],
    rate: Annotated[float | None, typer.Option(min=0.001, help="Records a second at most.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a sentence.")] = False,
) -> None:
    """Send the records of the files, in order: lines with `topic` (events or posts), `key` and `value` or `base64`."""
    kafka = load_config().kafka
    records = chain.from_iterable(read_records(path) for path in files)
    try:
        report = produce(kafka.bootstrap, records, rate, kafka.topics)
    except ProduceError as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from None
    sentence = f"{report.sent} records sent, {report.acked} acknowledged, in {report.seconds:.1f} s"
    typer.echo(dumps(asdict(report)) if json else sentence)


if __name__ == "__main__":
    typer.run(produce_events)
