"""Bodies -> records -> Kafka: split, checked by the contract, sent, and what became of each told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import msgspec

from lambda_arch.checking import Fields, Limits, Verdict, checked_event, checked_post
from lambda_arch.clock import MINUTE, wall_now
from lambda_arch.config import Config
from serving.metrics import Metrics
from serving.outbox import Outbox, Outgoing, Receipt

Kind = Literal["events", "posts"]
AT_ONCE = 50  # records that are checked before the event loop gets its turn
_array = msgspec.json.Decoder(list[msgspec.Raw])
_CHECKS: dict[Kind, Callable[[bytes, Limits], Verdict | Fields]] = {"events": checked_event, "posts": checked_post}


class BodyError(ValueError):
    """The body is no records."""


class Entry(NamedTuple):
    """A record of a request: its id and key, or the rule that it breaks."""

    value: bytes
    id: str | None = None
    key: str | None = None
    fault: Verdict | None = None


class Intake:
    """Takes records in, of one kind at a time."""

    def __init__(self, outbox: Outbox, config: Config, metrics: Metrics) -> None:
        self._outbox, self._config, self._metrics = outbox, config, metrics
        self._topics: dict[Kind, str] = {"events": config.kafka.topics.events, "posts": config.kafka.topics.posts}

    async def checked(self, kind: Kind, values: Sequence[bytes]) -> list[Entry]:
        """Each record with its keys or its fault."""
        settings, entries = self._config.events, []
        limits = Limits(settings.max_bytes, wall_now() + settings.max_ahead_minutes * MINUTE)
        for number, value in enumerate(values, start=1):
            entries.append(_entry(kind, value, _CHECKS[kind](value, limits)))
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
        self._metrics.receive(kind, "rejected", sum(entry.fault is not None for entry in entries))
        return entries

    async def send(self, kind: Kind, entries: Sequence[Entry]) -> list[Receipt]:
        """What became of each entry, none of which has a fault."""
        topic = self._topics[kind]
        records = [Outgoing(topic, (entry.key or "").encode(), entry.value) for entry in entries]
        receipts = await self._outbox.send(records)
        lost = sum(receipt.fault is not None for receipt in receipts)
        self._metrics.receive(kind, "accepted", len(receipts) - lost)
        self._metrics.receive(kind, "unacknowledged", lost)
        return receipts


def split(body: bytes, as_lines: bool) -> list[bytes]:
    """The records of a body: its lines, or a JSON array's members, or itself. Raises BodyError where it is none."""
    if as_lines:
        return [line for line in body.splitlines() if line.strip()]
    text = body.strip()
    if not text.startswith(b"["):
        return [text]
    try:
        return [bytes(raw) for raw in _array.decode(text)]
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BodyError(f"the body is no JSON array: {error}") from None


def _entry(kind: Kind, value: bytes, found: Verdict | Fields) -> Entry:
    if isinstance(found, Verdict):
        return Entry(value, fault=found)
    if kind == "events":
        return Entry(value, found["event_id"], found["user_id"])
    return Entry(value, found["post_id"], found.get("title_id") or found["post_id"])
