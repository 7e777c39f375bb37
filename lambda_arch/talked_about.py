"""Titles that rise or fall, as the store has them: found without looking at all titles.

`la:trending` has the newest of the titles of which a record said so, by the time of the newest post that it knew. It
says no more than where to look: what counts is the record that the title has now. So it may be written again and in
any order (a time only grows, and of any such writes the same newest stay), and a title that is steady again needs not
be taken out.
"""

from __future__ import annotations

from collections.abc import Iterable

from lambda_arch.clock import parse_rfc3339
from lambda_arch.keys import TRENDING_KEY, generation_key, speed_key
from lambda_arch.records import Prediction
from lambda_arch.store import Store
from lambda_arch.trending import Trends, stands_out, trends

KEPT = 500


def note_trending(store: Store, records: Iterable[Prediction]) -> None:
    """Note the titles that rise or fall, after their records are in the store; again changes nothing."""
    times = {record.entity: parse_rfc3339(record.as_of) for record in records if stands_out(record)}
    if not times:
        return
    pipe = store.redis.pipeline(transaction=False)
    pipe.zadd(TRENDING_KEY, times, gt=True)
    pipe.zremrangebyrank(TRENDING_KEY, 0, -KEPT - 1)
    pipe.expire(TRENDING_KEY, store.ttl)
    pipe.execute()


def trending(store: Store, since: int, count: int) -> Trends:
    """At most so many titles of each direction that had a post since then (microseconds), in two round trips."""
    entities = store.redis.zrevrangebyscore(TRENDING_KEY, "+inf", since)
    generations = store.generations()
    pipe = store.redis.pipeline(transaction=False)
    for entity in map(bytes.decode, entities):
        pipe.hget(generation_key(entity, generations.current), "sentiment")
        pipe.hget(speed_key(entity), "sentiment")
    said = pipe.execute()
    return trends(zip(said[::2], said[1::2], strict=True), generations, count)
