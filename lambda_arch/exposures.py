"""How often a user was shown which title, by day (UTC): `la:{u:ID}:x`, a hash that ends by itself.

A field is `DAY:TITLE`, days since 1970, its value how many answers of that day had the title. Counts commute, so that
any number of writers may add to them. They are the store's alone: a store that is lost begins to count anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from lambda_arch.clock import DAY, SECOND
from lambda_arch.erasures import erased_until, person_of
from lambda_arch.keys import ERASURES_KEY, exposures_key
from lambda_arch.link import Command
from lambda_arch.reads import AsyncStore

MOST = 2000  # fields kept of one user, those of the newest days


class Exposure(NamedTuple):
    """The titles of an answer that goes out to a user at a moment (microseconds), for `days` to be remembered.

    `lapsed` are the fields that count no longer, by what was read before.
    """

    user_id: str
    titles: Sequence[str]
    at: int
    days: int
    lapsed: Sequence[bytes] = ()


class Shown(NamedTuple):
    """So many answers of a day (since 1970) had a title; `field` is how the store has it."""

    day: int
    title: str
    times: int
    field: bytes


def shown(stored: Sequence[bytes]) -> list[Shown]:
    """What a stored hash says, the oldest first; `stored` has its fields and values by turns."""
    pairs = zip(stored[::2], stored[1::2], strict=True)
    parts = [(*field.decode().partition(":"), times, field) for field, times in pairs]
    return sorted(Shown(int(day), title, int(times), field) for day, _, title, times, field in parts)


def times_shown(found: Sequence[Shown], now: int, days: int, seen: Mapping[str, int]) -> Counter[str]:
    """How often each title was shown today and on the days before, `days` in all; not until the day it was seen last.

    `now`, and of each title when it was `seen` last, in microseconds.
    """
    first, counts = now // DAY - days + 1, Counter[str]()
    for day, title, times, _ in found:
        if day >= first and day > seen.get(title, 0) // DAY:
            counts[title] += times
    return counts


def lapsed(found: Sequence[Shown], now: int, days: int) -> list[bytes]:
    """The fields that are too old to count, or too many."""
    first, many = now // DAY - days + 1, len(found) - MOST
    return [one.field for place, one in enumerate(found) if one.day < first or place < many]


async def note_exposures(store: AsyncStore, exposures: Sequence[Exposure]) -> None:
    """Count what was shown, in two round trips beside the answers'; raises StoreError.

    An answer of before an erasure may be counted after it: so the registry is read last, and who is in it by then is
    forgotten here. Erasing enters the registry first, and one of both sees the other.
    """
    await store.bulk([command for one in exposures for command in _counted(one)])
    [erased] = await store.bulk([("HMGET", ERASURES_KEY, *(person_of(one.user_id) for one in exposures))])
    both = zip(exposures, erased, strict=True)
    gone = {exposures_key(f"u:{one.user_id}") for one, stored in both if one.at <= erased_until(stored)}
    if gone:
        await store.bulk([("UNLINK", key) for key in gone])


def _counted(exposure: Exposure) -> Iterator[Command]:
    key, day = exposures_key(f"u:{exposure.user_id}"), exposure.at // DAY
    for title in exposure.titles:
        yield ("HINCRBY", key, f"{day}:{title}", "1")
    if exposure.lapsed:
        yield ("HDEL", key, *exposure.lapsed)
    yield ("EXPIRE", key, str(exposure.days * DAY // SECOND))
