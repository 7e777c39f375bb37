"""Replay: an entity's events in order of time, cut into what batch knows, what speed knows besides, and what comes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from lambda_arch.clock import day_of
from lambda_arch.tiles import Event, Genres, Profile, Tile, merge_profiles, merge_tiles, profile_of, unit_tile

LAGS = (0, 1, 3, 10, 30)


def events_of(rows: Sequence[Mapping[str, Any]]) -> list[Event]:
    """Events as Spark hands them on; account attributes come as entries of key and value."""
    return [msgspec.convert({**row, "attributes": _mapping(row["attributes"])}, Event) for row in rows]


class Viewer(NamedTuple):
    """What the layers know of a viewer at a lag, all that there is to know, and the new titles that come next."""

    lag: int
    batch: Profile
    speed: Profile
    full: Profile
    coming: list[str]


class Replay(NamedTuple):
    """How events are cut: batch knows the first `known_share` of them, speed as many more as the lag says."""

    known_share: float
    targets: int
    history_limit: int
    lags: Sequence[int] = LAGS

    def first(self, events: int) -> int:
        """How many of the events the batch layer knows."""
        return int(events * self.known_share)

    def cuts(self, events: int) -> list[tuple[int, int]]:
        """(lag, how many of the events the speed layer knows) at every lag that leaves an event to come."""
        first = self.first(events)
        return [(lag, first + lag) for lag in self.lags if first + lag < events]

    def viewers(self, events: Sequence[Event], genres: Genres) -> Iterator[Viewer]:
        """The viewer at every lag; profiles grow by merging, which is exact."""
        known = self.first(len(events))
        batch = self.profile(events[:known], genres)
        full = self.merged(batch, events[known:], genres)
        speed = batch
        for lag, upto in self.cuts(len(events)):
            speed = self.merged(speed, events[known:upto], genres)
            known = upto
            yield Viewer(lag, batch, speed, full, _coming(speed, events[upto:], self.targets))

    def behind(self, events: Sequence[Event], genres: Genres) -> list[tuple[int, Profile, Profile]]:
        """(lag, profile without the last `lag` events, profile of all of them), for every lag that there can be."""
        lags = sorted((lag for lag in self.lags if lag <= len(events)), reverse=True)
        found, profile, known = [], Profile(), 0
        for upto in [len(events) - lag for lag in lags]:
            profile, known = self.merged(profile, events[known:upto], genres), upto
            found.append(profile)
        return [(lag, batch, found[-1]) for lag, batch in zip(lags, found, strict=True)][::-1]

    def merged(self, profile: Profile, events: Sequence[Event], genres: Genres) -> Profile:
        """The profile with further events."""
        return merge_profiles(profile, self.profile(events, genres), self.history_limit) if events else profile

    def profile(self, events: Sequence[Event], genres: Genres) -> Profile:
        """The profile of events, in any order."""
        days: dict[int, list[Tile]] = {}
        for event in events:
            days.setdefault(day_of(event.event_time), []).append(unit_tile(event, genres))
        limit = self.history_limit
        return profile_of({day: merge_tiles(tiles, limit) for day, tiles in days.items()}, limit)


def _mapping(entries: Sequence[Mapping[str, str]] | None) -> dict[str, str] | None:
    return None if entries is None else {entry["key"]: entry["value"] for entry in entries}


def _coming(seen: Profile, events: Sequence[Event], targets: int) -> list[str]:
    """The next titles that are new to the viewer."""
    known = {entry.title for entry in seen.lifetime.history}
    titles = dict.fromkeys(event.title_id for event in events if event.title_id and event.title_id not in known)
    return list(titles)[:targets]
