"""Records by the time at which their events happened: in that order, the newest of them, with the time beside each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from lambda_arch.clock import MILLI, parse_rfc3339
from streaming.produce import ProduceError, Record


def by_time(records: Iterable[Record]) -> list[Record]:
    """The records with their moments, in the order of these; what has no time stays behind what it came after."""
    timed: list[tuple[int, Record]] = []
    last = 0
    for record in records:
        moment = happened(record)
        last = last if moment is None else moment
        timed.append((last, replace(record, moment=moment)))
    return [record for _, record in sorted(timed, key=lambda at: at[0])]


def tail(records: Iterable[Record], share: float) -> list[Record]:
    """The newest share of the records, by time; raises ProduceError for what is no share."""
    if not 0 < share <= 1:
        raise ProduceError(f"tail: want a share above 0, up to 1, such as 0.1, have {share}")
    ordered = by_time(records)
    return ordered[len(ordered) - round(len(ordered) * share) :]


def happened(record: Record) -> int | None:
    """The event's time in microseconds; None where it cannot be read."""
    try:
        time = json.loads(record.value)["event_time"]
        return int(time) * MILLI if str(time).isdigit() else parse_rfc3339(time)
    except (ValueError, KeyError, TypeError):
        return None
