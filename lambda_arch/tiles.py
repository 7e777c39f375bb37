"""Mergeable aggregates over tiles of event time, and their one merge.

A tile is what one entity did in one UTC day; a single event is itself a tile (`unit_tile`). Everything in a
tile is a sum, a minimum, a maximum, a latest value or a newest-first bounded list, so tiles merge in any
order and grouping with the same result. Sums are whole numbers of millionths: floating-point sums would
depend on the order, and then no merge could be exact.

All structs here are without the collector (`gc=False`): they have no cycles, and a batch makes a hundred thousand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated

import msgspec

from lambda_arch.clock import day_of

MILLION = 1_000_000
EVENT_TYPES = (
    "view", "rating", "list_add", "search", "account", "support", "cancel", "impression", "ad_impression", "ad_click",
)  # fmt: skip
RECENT_DAYS = 30

Genres = Callable[[str], tuple[str, ...]]

# What a gated record may hold, so that one of a stranger is refused where it is read and not where it is scored.
Offset = Annotated[int, msgspec.Meta(ge=0)]
Moment = Annotated[int, msgspec.Meta(ge=0, lt=253_402_300_800_000_000)]  # microseconds, before the year 10000
Millionths = Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]
IdHash = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]


class Seen(msgspec.Struct, frozen=True, array_like=True, gc=False, order=True):
    """The newest thing a user did with one title; ordered by time, then event hash."""

    time: int
    event: int
    title: str
    strength: int


class Account(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The account's attributes as they stood at the newest `account` event."""

    time: int
    event: int
    attributes: dict[str, str]


class Tile(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One entity's aggregate over some span of event time; the empty tile is the merge's neutral element.

    `watched`, `rated`, `genres` and strengths are in millionths; times in microseconds UTC.
    """

    counts: dict[str, int] = {}
    watched: int = 0
    rated: int = 0
    genres: dict[str, int] = {}
    first: int | None = None
    last: int | None = None
    account: Account | None = None
    history: tuple[Seen, ...] = ()

    def events(self) -> int:
        """How many events it has seen: the evidence."""
        return sum(self.counts.values())


class Profile(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The merge of an entity's tiles: everything, and the newest days apart (counts and sums only)."""

    lifetime: Tile = Tile()
    days: dict[int, Tile] = {}


class Event(msgspec.Struct, frozen=True, gc=False, tag="event", tag_field="kind"):
    """A valid, normalised event as the gate hands it on: the unit tile's columns and its coordinates.

    `id_hash` is Spark's xxhash64 of `event_id`; `watched`, `rated` and `strength` are in millionths and
    null where the event type has none.
    """

    topic: str
    partition: int
    offset: Offset
    event_id: str
    id_hash: IdHash
    event_type: str
    user_id: str
    event_time: Moment
    title_id: str | None = None
    watched: Millionths | None = None
    rated: Millionths | None = None
    strength: Millionths | None = None
    attributes: dict[str, str] | None = None


def unit_tile(event: Event, genres: Genres) -> Tile:
    """The tile of a single event; `genres` gives a title's genres as the catalogue has them."""
    seen: tuple[Seen, ...] = ()
    weights: dict[str, int] = {}
    if event.title_id is not None and event.strength is not None:
        seen = (Seen(event.event_time, event.id_hash, event.title_id, event.strength),)
        names = genres(event.title_id)
        weights = {name: event.strength // len(names) for name in names}
    return Tile(
        counts={event.event_type: 1},
        watched=event.watched or 0,
        rated=event.rated or 0,
        genres=weights,
        first=event.event_time,
        last=event.event_time,
        account=None if event.attributes is None else Account(event.event_time, event.id_hash, event.attributes),
        history=seen,
    )


def merge_tiles(tiles: Iterable[Tile], history_limit: int) -> Tile:
    """The aggregate over all the tiles' events: associative, commutative, neutral for the empty tile."""
    parts = [tile for tile in tiles if tile.counts]
    if len(parts) < 2:
        return parts[0] if parts else Tile()
    return Tile(
        counts=_summed(tile.counts for tile in parts),
        watched=sum(tile.watched for tile in parts),
        rated=sum(tile.rated for tile in parts),
        genres=_summed(tile.genres for tile in parts),
        first=min(tile.first for tile in parts if tile.first is not None),
        last=max(tile.last for tile in parts if tile.last is not None),
        account=max(
            (tile.account for tile in parts if tile.account is not None),
            key=lambda account: (account.time, account.event),
            default=None,
        ),
        history=newest([tile.history for tile in parts if tile.history], history_limit),
    )


def newest(histories: Sequence[tuple[Seen, ...]], limit: int) -> tuple[Seen, ...]:
    """Each title's newest entry, newest title first, at most `limit`, of histories that are so each.

    Exact under merging: a title cut from one part has `limit` newer ones there, so it is cut from the whole,
    unless the other part has it newer, and then that entry is the one kept.
    """
    if len(histories) == 2 and histories[1][-1] > histories[0][0]:
        # What came since on top of what was known, as the stream merges with each event: nothing is to be sorted.
        known, since = histories
        again = {entry.title for entry in since}
        return (*since, *(entry for entry in known if entry.title not in again))[:limit]
    latest: dict[str, Seen] = {}
    for history in histories:
        for entry in history:
            held = latest.get(entry.title)
            if held is None or entry > held:
                latest[entry.title] = entry
    return tuple(sorted(latest.values(), reverse=True)[:limit])


def profile_of(tiles: Mapping[int, Tile], history_limit: int) -> Profile:
    """The profile of tiles by day."""
    days = {day: msgspec.structs.replace(tile, account=None, history=()) for day, tile in tiles.items()}
    return Profile(merge_tiles(tiles.values(), history_limit), _recent(days))


def merge_profiles(left: Profile, right: Profile, history_limit: int) -> Profile:
    """The profile of both profiles' events: `profile_of(all) == merge(profile_of(a), profile_of(b))`."""
    days = dict(left.days)
    for day, tile in right.days.items():
        days[day] = merge_tiles([days[day], tile], history_limit) if day in days else tile
    return Profile(merge_tiles([left.lifetime, right.lifetime], history_limit), _recent(days))


def rolling(profile: Profile, days: int, now: int) -> Tile:
    """The aggregate of the `days` days that end with the day of `now` (at most RECENT_DAYS are kept)."""
    last = day_of(now)
    return merge_tiles((tile for day, tile in profile.days.items() if last - days < day <= last), 0)


def _recent(days: Mapping[int, Tile]) -> dict[int, Tile]:
    """Days within RECENT_DAYS of the newest; trimming by the newest day keeps the merge exact."""
    floor = max(days, default=0) - RECENT_DAYS
    return {day: days[day] for day in sorted(days) if day > floor}


def _summed(mappings: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for mapping in mappings:
        for key, amount in mapping.items():
            total[key] = total.get(key, 0) + amount
    return dict(sorted(total.items()))
