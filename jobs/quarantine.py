"""The quarantine: what was rejected and why, fixes by expressions, and the way back through the gate."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from jobs.report import opened_lake
from lambda_arch.clock import parse_rfc3339, wall_now
from lambda_arch.config import ConfigError, load_config

LONGEST = 300  # characters of a record on the console; --json has all
TO_SHOW = 10

Reason = Annotated[str | None, typer.Option(help="Only records rejected for this reason.")]
Topic = Annotated[str | None, typer.Option(help="Only records of this source topic; a file's is file:MAPPING.")]
Since = Annotated[str | None, typer.Option(help="Only records received since then (RFC 3339).")]
Limit = Annotated[int, typer.Option(min=1, help="How many records to show.")]
OfFiles = Annotated[str | None, typer.Option("--as", help="What rows of files are: events or posts.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
FIX = "FIELD=EXPRESSION in Spark SQL over the record's fields, such as value=value/100; again for another field."

app = typer.Typer(help="Rejected records: list, show, fix, and send again.", no_args_is_help=True)


@app.command("list")
def list_rejects(reason: Reason = None, topic: Topic = None, since: Since = None, as_json: AsJson = False) -> None:
    """Count the rejected records by reason and topic: how many wait, are fixed, were replayed; first and last seen."""
    from lambda_arch.tables import QUARANTINE
    from streaming.rejects import listed

    chosen = _selection(reason, topic, since)
    with opened_lake(load_config(), "quarantine") as lake:
        lake.create(QUARANTINE)
        rows = listed(lake.read(QUARANTINE).transform(chosen))
    _print(rows, as_json)


@app.command()
def show(
    coordinates: Annotated[str | None, typer.Argument(help="One record: TOPIC/PARTITION/OFFSET.")] = None,
    reason: Reason = None,
    topic: Topic = None,
    since: Since = None,
    limit: Limit = TO_SHOW,
    as_json: AsJson = False,
) -> None:
    """Show records: bytes as text, reason, where they are from, what was tried and what became of them."""
    from lambda_arch.tables import QUARANTINE
    from streaming.rejects import QuarantineError, shown

    chosen = _selection(reason, topic, since, coordinates)
    with opened_lake(load_config(), "quarantine") as lake:
        lake.create(QUARANTINE)
        rows = shown(lake.read(QUARANTINE).transform(chosen), limit)
    if coordinates and not rows:
        raise QuarantineError(f"no rejected record at {coordinates}; the archive brings new ones within seconds")
    _print(rows, as_json)


@app.command()
def fix(
    changes: Annotated[list[str], typer.Option("--set", help=FIX)],
    reason: Reason = None,
    topic: Topic = None,
    since: Since = None,
    of_files: OfFiles = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show records before and after; write nothing.")] = False,
    limit: Limit = TO_SHOW,
    as_json: AsJson = False,
) -> None:
    """Fix records for the next replay: those that pass the rules then are kept so, others get their new reason."""
    from lambda_arch.tables import QUARANTINE
    from streaming.resending import mend, preview

    request, config = _request(changes, reason, topic, since, of_files), load_config()
    with opened_lake(config, "quarantine") as lake:
        lake.create(QUARANTINE)
        if dry_run:
            trial, rows = preview(lake, request, config, limit)
        else:
            trial, rows = mend(lake, request, config), []
    if as_json:
        typer.echo(json.dumps({**asdict(trial), "records": rows}))
        return
    _print(rows, as_json)
    typer.echo(_told(trial))


@app.command()
def replay(
    changes: Annotated[list[str] | None, typer.Option("--fix", help=FIX)] = None,
    reason: Reason = None,
    topic: Topic = None,
    since: Since = None,
    of_files: OfFiles = None,
    rate: Annotated[float | None, typer.Option(min=0.001, help="Records a second at most.")] = None,
    as_json: AsJson = False,
) -> None:
    """Send records that pass the rules, fixed or as they are, to their topic once more; none can enter twice."""
    from deploy.topics import existing_topics
    from lambda_arch.tables import QUARANTINE
    from streaming.resending import replay as send

    request, config = _request(changes or [], reason, topic, since, of_files), load_config()
    existing_topics(config)
    with opened_lake(config, "quarantine") as lake:
        lake.create(QUARANTINE)
        done = send(lake, request, config, rate)
    typer.echo(json.dumps(asdict(done)) if as_json else f"{_told(done.trial)}; {done.sent} sent")


def _selection(reason: str | None, topic: str | None, since: str | None, coordinates: str | None = None) -> Any:
    from streaming.rejects import Selection, coordinates_of

    try:
        moment = None if since is None else parse_rfc3339(since)
    except ValueError as error:
        raise ConfigError(f"--since {since}: {error}") from None
    return Selection(reason, topic, moment, coordinates_of(coordinates) if coordinates else None)


def _request(
    changes: Sequence[str], reason: str | None, topic: str | None, since: str | None, of_files: str | None
) -> Any:
    from streaming.fixes import FIELDS, fix_of
    from streaming.rejects import QuarantineError
    from streaming.resending import Request

    if of_files not in (None, *FIELDS):
        raise QuarantineError(f"--as {of_files}: want events or posts")
    return Request(_selection(reason, topic, since), fix_of(changes), wall_now(), of_files)


def _told(trial: Any) -> str:
    parts = [f"{trial.passed} pass", *(f"{count} fail with {reason}" for reason, count in trial.failed.items())]
    if trial.left:
        parts.append(f"{trial.left} of files left alone: say what they are with --topic and --as")
    return "; ".join(parts)


def _print(rows: Sequence[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table, console = Table(box=None, pad_edge=False), Console(soft_wrap=True)
    for name in rows[0] if rows else ():
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(_short(value) for value in row.values()))
    console.print(table if rows else "nothing", markup=False)


def _short(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)"
