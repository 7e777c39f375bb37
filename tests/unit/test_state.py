"""How records enter an entity's state: once each, however often and in whatever batches they come."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_arch.clock import DAY
from lambda_arch.posts import Post, PostProfile, PostTile, merge_post_profiles, post_profile, unit_post_tile
from lambda_arch.records import UnknownSchemaError
from lambda_arch.states import Counts, State, counts_of, decode_state, since
from lambda_arch.tiles import Event, Tile, merge_tiles, unit_tile
from streaming.state import Horizons, absorbed

LIMIT = 3
HORIZONS = Horizons(current=10 * DAY, oldest=8 * DAY)


def event(offset: int, day: int = 10, id_hash: int | None = None, partition: int = 0, **more: Any) -> Event:
    """A view; each of its own unless told otherwise."""
    fields: dict[str, Any] = {"event_type": "view", "title_id": "a", "watched": 1, "strength": 1, **more}
    return Event(
        topic="events", partition=partition, offset=offset, event_id="", user_id="u", event_time=day * DAY + offset,
        id_hash=1000 * partition + offset if id_hash is None else id_hash, **fields,
    )  # fmt: skip


def after(state: State[Tile], records: Sequence[Event], horizons: Horizons = HORIZONS) -> State[Tile]:
    """The state after the records; itself where they are all replays."""
    return absorbed(state, records, horizons, unit, merge) or state


def unit(record: Event) -> Tile:
    return unit_tile(record, lambda _: ("Drama",))


def merge(tiles: Iterable[Tile]) -> Tile:
    return merge_tiles(tiles, LIMIT)


EMPTY: State[Tile] = State()


@pytest.mark.parametrize(
    ("records", "counts", "days"),
    [
        pytest.param([event(0), event(1)], Counts(applied=2), [10], id="new events of one day are applied"),
        pytest.param([event(0), event(0)], Counts(applied=1), [10], id="an offset comes twice and counts once"),
        pytest.param([event(5), event(4)], Counts(applied=2), [10], id="an offset that was overtaken counts"),
        pytest.param(
            [event(5), event(4), event(4), event(5)], Counts(applied=2), [10],
            id="an offset that was overtaken comes twice and counts once",
        ),
        pytest.param(
            [event(5), event(4, id_hash=5)], Counts(applied=1), [10], id="behind the fence a known id is a replay"
        ),
        pytest.param(
            [event(5), event(4, day=7)], Counts(applied=1), [10],
            id="behind the fence what is too old to have left a trace is a replay",
        ),
        pytest.param([event(0), event(0, partition=1)], Counts(applied=2), [10], id="each partition has its fence"),
        pytest.param([event(0, id_hash=7), event(1, id_hash=7)], Counts(1, 1), [10], id="an id again is a duplicate"),
        pytest.param(
            [event(0, day=12, id_hash=7), event(1, day=10, id_hash=7)], Counts(1, 1), [12],
            id="an id again is a duplicate on another day too",
        ),
        pytest.param([event(0, day=10), event(1, day=9)], Counts(1, 0, 1), [9, 10], id="late ones stay for rollback"),
        pytest.param([event(0, day=8)], Counts(late=1), [8], id="the oldest horizon's day is kept"),
        pytest.param([event(0, day=7)], Counts(late=1), [], id="before the oldest horizon nothing is kept"),
        pytest.param(
            [event(0, day=9, id_hash=7), event(1, day=9, id_hash=7)], Counts(0, 1, 1), [9],
            id="a late event again is a duplicate",
        ),
        pytest.param(
            [event(0, day=7, id_hash=7), event(1, day=7, id_hash=7)], Counts(late=2), [],
            id="an event from before the oldest horizon is late each time",
        ),
    ],
)  # fmt: skip
def test_every_source_coordinate_counts_once(records: list[Event], counts: Counts, days: list[int]) -> None:
    state = after(EMPTY, records)
    assert (state.counts, list(state.tiles)) == (counts, days)
    assert counts_of(msgspec.msgpack.encode(state)) == counts


def test_only_replays_leave_no_state_to_write() -> None:
    state = after(EMPTY, [event(0), event(3)])
    assert absorbed(state, [event(0), event(3), event(0)], HORIZONS, unit, merge) is None


def test_without_records_what_lies_before_the_oldest_horizon_is_dropped_and_nothing_else() -> None:
    state = after(EMPTY, [event(0, day=8), event(1, day=9), event(2, day=10)])
    later = absorbed(state, [], Horizons(current=10 * DAY, oldest=9 * DAY), unit, merge)
    assert later is not None
    assert (list(later.tiles), list(later.ids)) == ([9, 10], [9, 10])
    assert later.tiles == {day: state.tiles[day] for day in (9, 10)}
    assert (later.fences, later.counts) == (state.fences, state.counts)


def test_a_duplicate_moves_the_fence_and_nothing_else() -> None:
    before = after(EMPTY, [event(0, id_hash=7)])
    state = after(before, [event(4, id_hash=7)])
    assert (state.tiles, state.ids, state.fences) == (before.tiles, before.ids, {"events/0": 4})


def test_what_lies_before_the_oldest_horizon_is_dropped() -> None:
    state = after(EMPTY, [event(offset, day=8 + offset) for offset in range(6)])
    assert list(state.tiles) == list(state.ids) == [8, 9, 10, 11, 12, 13]
    later = after(state, [event(6, day=13)], Horizons(current=13 * DAY, oldest=12 * DAY))
    assert list(later.tiles) == list(later.ids) == [12, 13]
    assert later.counts.applied + later.counts.late == 7


def test_a_state_grows_with_days_and_ids_only() -> None:
    def size(events: int) -> int:
        records = [event(offset, day=10 + offset % 3, title_id=f"t{offset}") for offset in range(events)]
        return len(msgspec.msgpack.encode(after(EMPTY, records)))

    assert size(1000) - size(100) < 900 * (8 + 1)


def test_tiles_since_a_horizon_begin_with_its_day() -> None:
    state = after(EMPTY, [event(0, day=9), event(1, day=10), event(2, day=11)])
    assert list(since(state, 10 * DAY)) == [10, 11]


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Event], list[list[Event]]]:
    """Events of up to three partitions, and a delivery: batches that go back to any offset already delivered."""
    partitions = draw(st.lists(st.integers(0, 2), max_size=20))
    log = [
        event(
            partitions[:number].count(partition), partition=partition, day=draw(st.integers(6, 13)),
            id_hash=draw(st.integers(-4, 4)), title_id=draw(st.sampled_from("abcde")),
        )
        for number, partition in enumerate(partitions)
    ]  # fmt: skip
    # The same id is the same event: a duplicate has everything but its coordinates of the first.
    first = {record.id_hash: record for record in reversed(log)}
    log = [
        msgspec.structs.replace(first[record.id_hash], partition=record.partition, offset=record.offset)
        for record in log
    ]
    batches, done = [], 0
    while done < len(log):
        begin, end = draw(st.integers(0, done)), draw(st.integers(done + 1, len(log)))
        batches.append(log[begin:end])
        done = end
    return log, batches


@given(deliveries())
def test_any_batches_with_replays_give_the_state_of_one_batch(delivery: tuple[list[Event], list[list[Event]]]) -> None:
    log, batches = delivery
    state = EMPTY
    for batch in batches:
        stored = msgspec.msgpack.encode(after(state, batch))
        state = decode_state(stored, Tile)
    assert msgspec.msgpack.encode(state) == msgspec.msgpack.encode(after(EMPTY, log))
    counts = state.counts
    assert counts.applied + counts.duplicates + counts.late == len(log)


@given(deliveries(), st.randoms(use_true_random=False))
def test_records_in_any_order_lose_nothing(
    delivery: tuple[list[Event], list[list[Event]]], chance: random.Random
) -> None:
    log, _ = delivery
    shuffled = chance.sample(log, len(log))
    state, wanted = after(EMPTY, shuffled), after(EMPTY, log)
    assert (state.tiles, state.ids, state.fences) == (wanted.tiles, wanted.ids, wanted.fences)
    assert state.counts.applied == wanted.counts.applied


@given(deliveries())
def test_partitions_in_any_interleaving_give_the_same_state(delivery: tuple[list[Event], list[list[Event]]]) -> None:
    log, _ = delivery
    by_partition = sorted(log, key=lambda record: (record.partition, record.offset))
    assert msgspec.msgpack.encode(after(EMPTY, by_partition)) == msgspec.msgpack.encode(after(EMPTY, log))


def unit_post(post: Post) -> PostProfile:
    return post_profile(unit_post_tile(post.event_time, True, 0.9))


def post(offset: int, id_hash: int) -> Post:
    return Post("posts", 0, offset, f"p{id_hash}", id_hash, "t", 10 * DAY + id_hash, "")


def test_posts_enter_the_same_way() -> None:
    state = absorbed(State(), [post(n, n % 2) for n in range(3)], HORIZONS, unit_post, merge_post_profiles)
    assert state is not None
    assert (state.counts, state.tiles[10].lifetime.posts) == (Counts(applied=2, duplicates=1), 2)
    assert decode_state(msgspec.msgpack.encode(state), PostProfile) == state


IDS, FENCES = {10: b"\0" * 8}, {"posts/0": 7}


def test_a_titles_state_of_the_release_before_is_read_and_goes_on_exactly_by_day() -> None:
    days = {10: PostTile(1, 1, 900_000, 10 * DAY, 10 * DAY)}
    before = decode_state(msgspec.msgpack.encode([1, days, IDS, FENCES, Counts(1)]), PostProfile)
    again, fresh = post(8, 0), post(9, 1)
    state = absorbed(before, [post(7, 0), again, fresh], HORIZONS, unit_post, merge_post_profiles)
    whole = absorbed(State(), [post(7, 0), again, fresh], HORIZONS, unit_post, merge_post_profiles)
    assert state is not None
    assert whole is not None
    assert (state.schema, state.ids, state.counts) == (2, whole.ids, whole.counts)
    assert state.tiles[10].lifetime == whole.tiles[10].lifetime
    assert state.tiles[10].days == whole.tiles[10].days
    assert state.tiles[10].hours[240].posts == 1


def test_a_users_state_of_the_release_before_is_read_as_it_is() -> None:
    state = after(EMPTY, [event(0)])
    stored = msgspec.msgpack.encode(msgspec.structs.replace(state, schema=1))
    assert decode_state(stored, Tile) == state


@pytest.mark.parametrize("stored", [[3], [3, {}, b"", {}], [0, "anything"]], ids=["newer", "other fields", "older"])
def test_a_state_of_another_schema_is_refused(stored: list[Any]) -> None:
    with pytest.raises(UnknownSchemaError, match="upgrade"):
        decode_state(msgspec.msgpack.encode(stored), Tile)


def test_no_state_is_the_empty_one() -> None:
    assert decode_state(None, Tile) == State()
