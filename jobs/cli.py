"""The command line `lambda-arch`: one function per command, registered in one line at the end.

Whatever is slow to import is imported inside the command. What a user can put right ends in one line on
stderr and exit code 2.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from jobs.at_risk import at_risk
from jobs.backfill import backfill
from jobs.decisions import app as decisions
from jobs.erase import erase
from jobs.experiments import app as experiments
from jobs.experiments import hit_rate
from jobs.explain import explain
from jobs.export import export
from jobs.export_user import export_user
from jobs.fidelity import PlotError, fidelity
from jobs.generate import generate
from jobs.generations import app as generations
from jobs.ingest_files import ingest_files
from jobs.keys import app as keys
from jobs.nights import NightError
from jobs.predict import predict
from jobs.produce_events import produce_events
from jobs.quarantine import app as quarantine
from jobs.recommend import recommend
from jobs.rehydrate import rehydrate
from jobs.replay import replay
from jobs.report import registry_app, report
from jobs.run_demo import demo
from jobs.schedule import schedule
from jobs.segments import app as segments
from jobs.status import status
from jobs.trending import trending
from lambda_arch.config import ConfigError, load_config

USER_FAULT = 2

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Programs = Annotated[list[str] | None, typer.Argument(help="Programs; all that the configuration needs if left out.")]

app = typer.Typer(
    name="lambda-arch",
    help="Audience predictions on a lambda architecture: servers, jobs, questions.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """The entry point; a user's mistake is one line, not a stack trace."""
    try:
        app()
    except Exception as error:
        if not isinstance(error, _user_errors()):
            raise
        typer.echo(f"lambda-arch: {error}", err=True)
        sys.exit(USER_FAULT)


def setup() -> None:
    """Fetch and verify the jars of Spark and of the broker."""
    from deploy.jars import ensure_jars, locked

    config = load_config()
    ensure_jars(config.paths.var)
    typer.echo(f"{len(locked('spark')) + len(locked('kafka'))} jars in {config.paths.var / 'jars'}, all as locked")


def up(programs: Programs = None) -> None:
    """Start the servers and jobs of this machine; what runs already is left running."""
    from deploy import servers

    servers.up(load_config(), programs or None)
    status()


def down() -> None:
    """Stop everything that `up` started."""
    from deploy import servers

    servers.down(load_config())


def doctor(as_json: AsJson = False) -> None:
    """Check what this machine has and lacks; exit code 1 if something is missing."""
    from deploy import doctor as examination

    checks = examination.doctor(load_config())
    if as_json:
        typer.echo(json.dumps([asdict(check) for check in checks]))
    else:
        rows = [(c.name, "ok" if c.ok else "NO", c.found, "" if c.ok else c.remedy) for c in checks]
        _table(("check", "", "found", "remedy"), rows)
    raise typer.Exit(0 if all(check.ok for check in checks) else 1)


def clean(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Stop everything and delete all that lies under paths.var: lake, models, store, logs, fetched data and jars."""
    from deploy import servers
    from deploy.cleaning import clean as delete

    config = load_config()
    if not yes:
        typer.confirm(f"Delete everything under {config.paths.var.resolve()}?", abort=True)
    servers.down(config)
    deleted = delete(config)
    typer.echo(f"deleted {', '.join(path.name for path in deleted) or 'nothing'}")


def night(
    horizon: Annotated[
        str | None,
        typer.Option(help="UTC midnight in RFC 3339: what happened before it is known. The clock's last if left out."),
    ] = None,
    lake_only: Annotated[bool, typer.Option(help="Write to the lake alone; readers keep what they have.")] = False,
) -> None:
    """Train, measure and publish a generation from what was known at the horizon, and flip to it."""
    from jobs.run_batch import run

    run(horizon, lake_only)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(*heads, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _user_errors() -> tuple[type[Exception], ...]:
    # Late, for they are slow to import and wanted only when something went wrong.
    from batch.exports.export import ExportError
    from batch.ingestion.mapping import IngestError
    from batch.judgement.gate import RefusedError
    from batch.publish import PublishError
    from batch.republish import NotEmptyError
    from batch.stored import NoGenerationError
    from demo.latency import ProbeError
    from demo.traffic import UnaccountedError
    from demo.wheels import FetchError
    from deploy.jars import JarsError
    from deploy.java import JavaError
    from deploy.ports import PortTakenError
    from deploy.servers import ServerError
    from deploy.topics import BrokerError
    from lambda_arch.generations import RollbackError
    from lambda_arch.lease import NightRunsError
    from lambda_arch.records import UnknownSchemaError
    from lambda_arch.store import StoreError
    from lambda_arch.tables import LakeError
    from lambda_arch.topic_reader import TopicError
    from serving.access.keys import KeysError
    from serving.people import IncompleteError
    from streaming.produce import ProduceError
    from streaming.rejects import QuarantineError
    from streaming.replay import ReplayError

    return (
        ConfigError, StoreError, BrokerError, ServerError, PortTakenError, JarsError, JavaError, RefusedError,
        NightError, NoGenerationError, PublishError, ExportError, IngestError, FetchError, UnaccountedError, ProbeError,
        LakeError, PlotError, NightRunsError, RollbackError,
        UnknownSchemaError, ProduceError, QuarantineError, ReplayError,
        NotEmptyError, KeysError, TopicError, IncompleteError,
    )  # fmt: skip


app.command("setup")(setup)
app.command("up")(up)
app.command("down")(down)
app.command("status")(status)
app.command("doctor")(doctor)
app.command("clean")(clean)
app.command("predict")(predict)
app.command("recommend")(recommend)
app.command("explain")(explain)
app.add_typer(segments, name="segments")
app.command("at-risk")(at_risk)
app.command()(trending)
app.command("ingest")(ingest_files)
app.command("night")(night)
app.command("backfill")(backfill)
app.command("schedule")(schedule)
app.command("report")(report)
app.add_typer(registry_app, name="registry")
app.command("fidelity")(fidelity)
app.add_typer(generations, name="generations")
app.add_typer(decisions, name="decisions")
app.add_typer(experiments, name="experiments")
app.command("hit-rate")(hit_rate)
app.command("export")(export)
app.command("erase")(erase)
app.command("export-user")(export_user)
app.add_typer(quarantine, name="quarantine")
app.add_typer(keys, name="keys")
app.command("replay")(replay)
app.command("rehydrate")(rehydrate)
app.command("demo")(demo)
app.command("generate")(generate)
app.command("produce")(produce_events)

if __name__ == "__main__":
    main()
