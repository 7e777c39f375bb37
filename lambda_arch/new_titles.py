"""Titles that came up since the night, as the store has them: which there are, and who saw each.

`la:new` has the newest of them by when they were last seen, `la:{t:ID}:v` a title's newest viewers by when they last
saw it (microseconds). A time only grows, and of any such writes the same newest stay: writing again, late, or in any
order changes nothing. What a later generation knows is left out by whoever reads, and lapses by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lambda_arch.commits import Commit
from lambda_arch.generations import lapsed
from lambda_arch.keys import NEW_TITLES_KEY, viewers_key
from lambda_arch.recommend_model import RecommendModel
from lambda_arch.store import Store
from lambda_arch.tiles import Event, Profile, Seen, Tile

TITLES, VIEWERS = 200, 100  # titles kept, and viewers of each


def views_of_new(
    model: RecommendModel | None, profile: Profile, events: Iterable[Event], tiles: Iterable[Tile]
) -> tuple[Seen, ...]:
    """A profile's views of titles that nobody had seen at the model's horizon, of those in events or tiles."""
    if model is None:
        return ()
    titles = {event.title_id for event in events if event.title_id is not None}
    titles |= {seen.title for tile in tiles for seen in tile.history}
    new = {title for title in titles if model.is_new(title)}
    return tuple(seen for seen in profile.lifetime.history if seen.title in new) if new else ()


def note_views(store: Store, commits: Iterable[Commit]) -> None:
    """Note what commits say of new titles, before they are made: who dies in between begins again, and notes it again.

    Costs nothing where they say nothing, otherwise a round trip.
    """
    by_title: dict[str, dict[str, int]] = {}
    for commit in commits:
        for view in commit.new:
            viewers = by_title.setdefault(view.title, {})
            viewers[commit.entity[2:]] = max(view.time, viewers.get(commit.entity[2:], 0))
    if not by_title:
        return
    pipe = store.redis.pipeline(transaction=False)
    for title, viewers in by_title.items():
        _keep_newest(pipe, viewers_key(title), viewers, VIEWERS, store.ttl)
    newest = {title: max(viewers.values()) for title, viewers in by_title.items()}
    _keep_newest(pipe, NEW_TITLES_KEY, newest, TITLES, store.ttl)
    pipe.execute()


def forget_viewer(store: Store, user_id: str) -> None:
    """A user has seen none of the titles that are kept."""
    pipe = store.redis.pipeline(transaction=False)
    for title in store.redis.zrange(NEW_TITLES_KEY, 0, -1):
        pipe.zrem(viewers_key(title.decode()), user_id)
    pipe.execute()


def forget_stateless(store: Store) -> None:
    """Drop viewers of whom the speed layer has no state: it lapsed, or was erased while somebody noted a view."""
    for key in store.redis.scan_iter(match=viewers_key("*"), count=1000):
        if gone := lapsed(store, store.redis.zrange(key, 0, -1), "state"):
            store.redis.zrem(key, *gone)


def _keep_newest(pipe: Any, key: str, times: dict[str, int], most: int, ttl: int) -> None:
    pipe.zadd(key, times, gt=True)
    pipe.zremrangebyrank(key, 0, -most - 1)
    pipe.expire(key, ttl)
