"""Send events and posts to the broker: from files, from a data set by its mapping, or made up from a seed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import chain
from json import dumps, loads
from pathlib import Path
from random import Random
from typing import Annotated

import typer

from lambda_arch.config import Config, ConfigError, load_config
from streaming.mixing import Shares, Tally, mixed
from streaming.pacing import by_time, tail
from streaming.produce import ProduceError, ProduceReport, Record, produce, read_records, record_of

# A made-up service has so many events for each user and title.
EVENTS_A_USER, EVENTS_A_TITLE, POSTS_PER_EVENT = 100, 500, 0.02
DAYS = 90

Share = Annotated[float, typer.Option(metavar="SHARE", help="Of the source's records, from 0 to 1.")]


def produce_events(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE...", exists=True, dir_okay=False, help="JSON lines; with --mapping a data set."),
    ] = None,
    mapping: Annotated[Path | None, typer.Option(help="What the files' columns mean, in YAML, as for ingest.")] = None,
    generate: Annotated[int | None, typer.Option(help="Instead of files: so many events of a made-up service.")] = None,
    newest: Annotated[
        float | None, typer.Option("--tail", help="Only the newest share of the records, say 0.1, by event time.")
    ] = None,
    rate: Annotated[float | None, typer.Option(min=0.001, help="Records a second at most.")] = None,
    speed_up: Annotated[
        float | None, typer.Option(min=0.001, help="By event time, so many times as fast as it happened.")
    ] = None,
    duplicates: Share = 0.0,
    disorder: Share = 0.0,
    late: Share = 0.0,
    poison: Share = 0.0,
    seed: Annotated[int, typer.Option(help="Of the shares, and of --generate: the same gives the same records.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a sentence.")] = False,
) -> None:
    """Send records in order: lines with `topic` (events or posts), `key` and `value` or `base64`.

    --tail and --speed-up put them into the order of their event times, in memory. --duplicates are sent again later,
    --disorder is overtaken by a few, --late by thousands or all, --poison are malformed records besides.
    """
    shares = Shares(duplicates, disorder, late, poison)
    config = load_config()
    records = _source(files or [], mapping, generate, seed, config)
    if newest is not None:
        records = tail(records, newest)
    elif speed_up:
        records = by_time(records)
    tally = Tally()
    sent = tally.counted(mixed(records, shares, config.events.max_bytes, Random(seed)))
    report = produce(config.kafka.bootstrap, sent, rate, config.kafka.topics, speed_up)
    typer.echo(dumps(asdict(report) | asdict(tally)) if json else _sentence(report, tally if shares.any() else None))


def _source(
    files: Sequence[Path], mapping: Path | None, generate: int | None, seed: int, config: Config
) -> Iterable[Record]:
    if (generate is None) == (not files):
        raise ProduceError("want either files, or --generate with a number of events")
    if generate is not None:
        return _generated(generate, seed)
    if mapping is not None:
        return _mapped(files, mapping, config)
    return chain.from_iterable(read_records(path) for path in files)


def _generated(events: int, seed: int) -> Iterable[Record]:
    from generate.pipeline import generated_lines
    from generate.plan import START, GenerateError, Plan

    users, titles = max(1, events // EVENTS_A_USER), max(1, events // EVENTS_A_TITLE)
    posts = round(events * POSTS_PER_EVENT)
    try:
        plan = Plan(events, users, titles, DAYS, START, seed, posts, duplicates=0.0, disorder=0.0, late=0.0)
        yield from (record_of(loads(line)) for line in generated_lines(plan))
    except GenerateError as error:
        raise ProduceError(f"--generate: {error}") from None


def _mapped(files: Sequence[Path], mapping: Path, config: Config) -> list[Record]:
    from batch.ingestion.mapping import load_mapping
    from batch.ingestion.outgoing import outgoing
    from lambda_arch.session import spark_session

    known = load_mapping(mapping)
    spark = spark_session(config, "produce_events", config.spark.master, config.spark.driver_memory)
    try:
        return [Record(*found) for found in outgoing(spark, [str(path) for path in files], known)]
    finally:
        spark.stop()


def _sentence(report: ProduceReport, tally: Tally | None) -> str:
    told = f"{report.sent} records sent, {report.acked} acknowledged, in {report.seconds:.1f} s"
    if tally is None:
        return told
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(tally.poison.items()))
    return (
        f"{told}: {tally.records} of the source, {tally.disordered} of them out of order and {tally.late} late; "
        f"{tally.duplicates} duplicates; {sum(tally.poison.values())} malformed{f' ({reasons})' if reasons else ''}"
    )


def main() -> None:
    """Run as a job of its own: a user's mistake ends in one line."""
    from batch.ingestion.mapping import IngestError

    try:
        typer.run(produce_events)
    except (ConfigError, ProduceError, IngestError) as error:
        sys.exit(f"produce_events: {error}")


if __name__ == "__main__":
    main()
