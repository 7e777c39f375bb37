"""The serving layer's reads of titles that came up since the night, and of what their viewers are known for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lambda_arch.keys import NEW_TITLES_KEY, generation_key, speed_key, viewers_key
from lambda_arch.new_titles import TITLES, VIEWERS
from lambda_arch.reads import AsyncStore

# Of a viewer: the night's profile and the state since.
Doing = tuple[bytes | None, bytes | None]


class Sighting(NamedTuple):
    """A viewer of a title, and when they last saw it (microseconds)."""

    viewer: str
    time: int


class NewTitleReads:
    """Reads beside the connection on which single answers are waited for; raises StoreError where the store is away."""

    def __init__(self, store: AsyncStore) -> None:
        self._store = store

    async def sightings(self, since: int) -> dict[str, list[Sighting]]:
        """Who saw each title that may be new, the newest first, of those seen since then (microseconds)."""
        [titles] = await self._store.bulk([_newest(NEW_TITLES_KEY, since, TITLES)])
        names = [title.decode() for title in titles[::2]]
        found = await self._store.bulk([_newest(viewers_key(name), since, VIEWERS) for name in names]) if names else []
        return {name: _sightings(listed) for name, listed in zip(names, found, strict=True)}

    async def doings(self, viewers: Sequence[str], generation: int) -> Mapping[str, Doing]:
        """What each viewer is known for."""
        if not viewers:
            return {}
        profiles = [("HGET", generation_key(f"u:{viewer}", generation), "profile") for viewer in viewers]
        states = [("HGET", speed_key(f"u:{viewer}"), "state") for viewer in viewers]
        stored = await self._store.bulk([*profiles, *states])
        return dict(zip(viewers, zip(stored[: len(viewers)], stored[len(viewers) :], strict=True), strict=True))


def _newest(key: str, since: int, most: int) -> tuple[str, ...]:
    return ("ZREVRANGEBYSCORE", key, "+inf", str(since), "WITHSCORES", "LIMIT", "0", str(most))


def _sightings(listed: Sequence[bytes]) -> list[Sighting]:
    pairs = zip(listed[::2], listed[1::2], strict=True)
    return [Sighting(viewer.decode(), int(float(time))) for viewer, time in pairs]
