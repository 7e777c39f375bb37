"""Gated records -> the store, against a real one: once each, whatever the batches, replays, rivals and flips."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence

import msgspec
import pytest
import redis
from store_content import Content, content, counts, records

from lambda_arch.clock import DAY, day_of, rfc3339
from lambda_arch.commits import Commit, CommitResult
from lambda_arch.fidelity import FidelityTable
from lambda_arch.models import Models
from lambda_arch.posts import Post, PostTile
from lambda_arch.predictions import Scoring, predict_user
from lambda_arch.scoring import wilson
from lambda_arch.states import Counts, decode_state
from lambda_arch.store import Store, StoreError
from lambda_arch.tiles import Event, Profile, Tile, merge_tiles, profile_of, unit_tile
from streaming.apply import Applier

pytestmark = pytest.mark.servers
LIMIT, TOP_N = 5, 3
USERS, DATABASE = 6, 5
Log = list[Event | Post]


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty store of the test's own: a database that no other test uses."""
    yield from emptied(store_url, DATABASE)


@pytest.fixture
def other(store_url: str) -> Iterator[Store]:
    """Another one, to compare with."""
    yield from emptied(store_url, DATABASE + 1)


def emptied(url: str, database: int) -> Iterator[Store]:
    store = Store(url.removesuffix("/0") + f"/{database}", 1)
    store.redis.flushdb()
    yield store
    store.redis.flushdb()
    store.redis.close()


def published(store: Store, models: Models, profiles: dict[str, Profile] | None = None) -> None:
    store.publish(models.generation, [(u, {"profile": msgspec.msgpack.encode(p)}) for u, p in (profiles or {}).items()])
    store.put_models(models, FidelityTable(models.generation, {}))
    store.flip(models.generation, models.horizon)


def applier(store: Store) -> Applier:
    return Applier(store, LIMIT, TOP_N)


def encoded(records: Sequence[Event | Post]) -> list[bytes]:
    return [msgspec.json.encode(record) for record in records]


def event(offset: int, time: int, user: str = "0", event_type: str = "view", partition: int = 0) -> Event:
    """Of three titles, one unknown to the models, so that there is always something left to recommend."""
    strong = event_type in ("view", "list_add")
    return Event(
        topic="events", partition=partition, offset=offset, event_id=f"{partition}-{offset}",
        id_hash=offset * 2 + partition, event_type=event_type, user_id=user, event_time=time,
        title_id="abe"[offset % 3] if strong else None, watched=offset if event_type == "view" else None,
        strength=1000 + offset if strong else None,
        attributes={"tenure": str(offset)} if event_type == "account" else None,
    )  # fmt: skip


def post(offset: int, time: int, text: str, title: str = "a") -> Post:
    return Post("posts", 0, offset, f"p{offset}", offset, title, time, text)


def random_log(seed: int, horizon: int, count: int = 300) -> Log:
    """Events and posts around the horizon, on two partitions in offset order; one in ten is sent again."""
    rng = random.Random(seed)
    log: Log = []
    for offset in range(count):
        time = horizon + rng.randrange(-DAY, 3 * DAY)
        kind = rng.choice(("view", "list_add", "account", "search", "post"))
        if kind == "post":
            log.append(post(offset, time, rng.choice(("good", "bad", "neither")), rng.choice("ab")))
        elif log and rng.random() < 0.1:
            log.append(msgspec.structs.replace(rng.choice(log), topic="again", partition=0, offset=offset))
        else:
            log.append(event(offset, time, str(rng.randrange(USERS)), kind, rng.randrange(2)))
    return log


def batches(log: Log, rng: random.Random) -> Iterator[Log]:
    """The log in random batches, each of which begins at some record already delivered."""
    done = 0
    while done < len(log):
        end = min(len(log), done + rng.randrange(1, 40))
        yield log[max(0, done - rng.choice((0, 0, 5, 100))) : end]
        done = end


def in_one_batch(store: Store, models: Models, log: Log) -> Content:
    published(store, models)
    applier(store).apply(encoded(log))
    return content(store)


@pytest.mark.parametrize("seed", range(5))
def test_random_batches_with_replays_give_what_one_batch_gives(
    store: Store, other: Store, small_models: Models, seed: int
) -> None:
    log = random_log(seed, small_models.horizon)
    published(store, small_models)
    busy = applier(store)
    for batch in batches(log, random.Random(seed)):
        busy.apply(encoded(batch))
    assert content(store) == in_one_batch(other, small_models, log)
    total = counts(store)
    assert total.applied + total.duplicates + total.late == len(log)
    assert min(total.applied, total.duplicates, total.late) > 0
    assert store.event_now() == max(record.event_time for record in log)


def test_the_same_again_writes_nothing_at_all(store: Store, small_models: Models) -> None:
    log = random_log(1, small_models.horizon)
    in_one_batch(store, small_models, log)
    before = dumped(store)
    again = applier(store).apply(encoded(log))
    assert (again.written, again.predictions, again.counts) == (0, [], Counts())
    assert dumped(store) == before


def test_what_the_store_has_of_a_replay_is_repeated_for_whoever_missed_it(store: Store, small_models: Models) -> None:
    published(store, small_models)
    busy, log = applier(store), [event(0, small_models.horizon), event(1, small_models.horizon, "1")]
    assert busy.apply(encoded(log)).repeated == []
    again = busy.apply(encoded([log[0], event(2, small_models.horizon, "2")]))
    told = [msgspec.structs.replace(said, written_at="") for said in again.repeated]
    assert told == list(records(store, "u:0").values())
    assert {said.entity for said in again.predictions} == {"u:2"}


def test_what_became_of_the_records_is_counted_as_the_states_count_it(store: Store, small_models: Models) -> None:
    log = random_log(6, small_models.horizon)
    published(store, small_models)
    busy = applier(store)
    done = [busy.apply(encoded(batch)) for batch in batches(log, random.Random(6))]
    assert sum((call.counts for call in done), Counts()) == counts(store)
    last = {entity: len(state) for entity, state in store.speed_states()}
    assert {size for call in done for size in call.sizes} >= set(last.values())
    assert sum(len(call.sizes) for call in done) == sum(call.written for call in done)


def dumped(store: Store) -> dict[bytes, dict[bytes, bytes]]:
    return {key: store.redis.hgetall(key) for key in store.redis.keys("la:{*}:s")}


def test_two_appliers_at_once_lose_nothing(store: Store, other: Store, small_models: Models) -> None:
    log = random_log(2, small_models.horizon)
    published(store, small_models)
    start = threading.Barrier(2)

    def work(part: Log) -> None:
        busy = applier(Store(url_of(store), 1))
        start.wait()
        for number in range(0, len(part), 5):
            busy.apply(encoded(part[number : number + 5]))

    parts: list[Log] = [[], []]
    for record in log:
        # As a broker's partitions are: each is one worker's.
        parts[record.partition].append(record)
    threads = [threading.Thread(target=work, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert content(store) == in_one_batch(other, small_models, log)


def url_of(store: Store) -> str:
    arguments = store.redis.connection_pool.connection_kwargs
    return f"redis://{arguments['host']}:{arguments['port']}/{arguments['db']}"


class Disturbed(Store):
    """A store whose next commit is disturbed, once."""

    disturbance: Callable[[Store, Sequence[Commit]], None] | None = None

    def commit(self, commits: Sequence[Commit]) -> list[CommitResult]:
        disturbance, self.disturbance = self.disturbance, None
        if disturbance:
            disturbance(self, commits)
        return super().commit(commits)


def test_a_quicker_rival_is_seen_and_the_commit_redone(store: Store, small_models: Models) -> None:
    published(store, small_models)
    time = small_models.horizon
    mine, rivals = [event(n, time, f"{n % 2}") for n in range(4)], [event(0, time + 1, "0", partition=1)]
    slow = Disturbed(url_of(store), 1)
    slow.disturbance = lambda *_: applier(store).apply(encoded(rivals)) and None
    done = applier(slow).apply(encoded(mine))
    assert (done.written, done.conflicts) == (2, 1)
    assert counts(store) == Counts(applied=5)
    assert records(store, "u:0")["recommend"].evidence == 3


def test_a_conflict_after_a_flip_is_redone_with_the_new_models(store: Store, small_models: Models) -> None:
    old = msgspec.structs.replace(small_models, generation=1)
    published(store, old)

    def flip_and_overtake(*_: object) -> None:
        published(store, small_models)
        applier(store).apply(encoded([event(0, old.horizon, partition=1)]))

    slow = Disturbed(url_of(store), 1)
    slow.disturbance = flip_and_overtake
    applier(slow).apply(encoded([event(0, old.horizon)]))
    assert {(said.generation, said.evidence) for said in records(store, "u:0").values()} == {(2, 2)}


def test_only_what_the_store_accepted_is_announced(store: Store, small_models: Models) -> None:
    published(store, small_models)
    busy, first = applier(store), event(0, small_models.horizon)
    assert {said.use_case for said in busy.apply(encoded([first])).predictions} == {"recommend", "segment"}
    again = busy.apply(encoded([msgspec.structs.replace(first, offset=1)]))
    assert (again.written, again.refused, again.predictions) == (1, 2, [])


def test_a_commit_whose_acknowledgement_is_lost_is_counted_once(
    store: Store, other: Store, small_models: Models
) -> None:
    log = random_log(3, small_models.horizon, 50)
    published(store, small_models)

    def lost(store: Store, commits: Sequence[Commit]) -> None:
        store.commit(commits)
        raise redis.ConnectionError("gone")

    failing = Disturbed(url_of(store), 1)
    failing.disturbance = lost
    busy = applier(failing)
    with pytest.raises(redis.ConnectionError):
        busy.apply(encoded(log))
    assert busy.apply(encoded(log)).written == 0
    assert content(store) == in_one_batch(other, small_models, log)


def test_tiles_and_records_are_those_of_the_merged_unit_tiles(store: Store, small_models: Models) -> None:
    log = [record for record in random_log(4, small_models.horizon) if record.topic == "events"]
    mine = [record for record in log if isinstance(record, Event) and record.user_id == "0"]
    in_one_batch(store, small_models, log)
    kept = tiles_of([record for record in mine if record.event_time >= small_models.horizon], small_models)
    assert decode_state(content(store)["u:0"].state, Tile).tiles == kept
    profile = profile_of(kept, LIMIT)
    scoring = Scoring(small_models, "speed", profile.lifetime.last or 0, 0, TOP_N)
    wanted = {
        said.use_case: msgspec.structs.replace(said, written_at="") for said in predict_user("0", profile, scoring)
    }
    assert records(store, "u:0") == wanted
    assert set(wanted) == {"recommend", "segment", "churn"}


def tiles_of(events: Sequence[Event], models: Models) -> dict[int, Tile]:
    days: dict[int, list[Tile]] = {}
    for record in events:
        days.setdefault(day_of(record.event_time), []).append(unit_tile(record, models.genres))
    return {day: merge_tiles(units, LIMIT) for day, units in sorted(days.items())}


def test_the_nights_profile_is_what_new_events_are_added_to(store: Store, small_models: Models) -> None:
    before = [event(n, small_models.horizon - DAY + n) for n in range(4)]
    published(store, small_models, {"u:0": profile_of(tiles_of(before, small_models), LIMIT)})
    applier(store).apply(encoded([event(7, small_models.horizon)]))
    said = records(store, "u:0")["recommend"]
    assert (said.evidence, said.as_of) == (5, rfc3339(small_models.horizon))


def test_a_flip_scores_anew_from_the_new_profile_and_the_tiles_since_the_new_horizon(
    store: Store, small_models: Models
) -> None:
    first = msgspec.structs.replace(small_models, generation=1, horizon=small_models.horizon - DAY)
    # Two before the first horizon, two between both, two after the second.
    log = [event(n, first.horizon + (n // 2 - 1) * DAY + n) for n in range(6)]
    published(store, first, {"u:0": profile_of(tiles_of(log[:2], first), LIMIT)})
    busy = applier(store)
    busy.apply(encoded(log[2:5]))
    assert records(store, "u:0")["recommend"].generation == 1
    published(store, small_models, {"u:0": profile_of(tiles_of(log[:4], first), LIMIT)})
    busy.apply(encoded(log[5:]))
    assert {(said.generation, said.evidence) for said in records(store, "u:0").values()} == {(2, 6)}
    kept = decode_state(content(store)["u:0"].state, Tile).tiles
    assert kept == tiles_of(log[2:], small_models)


def test_after_a_rollback_no_event_since_the_earlier_horizon_is_missing(store: Store, small_models: Models) -> None:
    first = msgspec.structs.replace(small_models, generation=1, horizon=small_models.horizon - DAY)
    log = [event(n, first.horizon + DAY // 2 * n) for n in range(4)]
    published(store, first)
    published(store, small_models)
    busy = applier(store)
    busy.apply(encoded(log[:1]))
    assert store.roll_back(store.generations())
    busy.apply(encoded(log[1:]))
    assert counts(store) == Counts(applied=3, late=1)
    assert decode_state(content(store)["u:0"].state, Tile).tiles == tiles_of(log, first)


def test_after_a_rollback_the_speed_layer_answers_with_the_generation_that_is_back(
    store: Store, other: Store, small_models: Models
) -> None:
    """Whoever was scored with the withdrawn generation is as if it had never been, from the next event on."""
    first = msgspec.structs.replace(small_models, generation=1, horizon=small_models.horizon - DAY)
    log = [event(n, small_models.horizon + n, event_type="account" if n == 2 else "view") for n in range(5)]
    published(store, first)
    published(store, small_models)
    busy = applier(store)
    busy.apply(encoded(log[:3]))
    assert {said.generation for said in records(store, "u:0").values()} == {2}
    assert store.roll_back(store.generations())
    busy.apply(encoded(log[3:]))
    assert content(store) == in_one_batch(other, first, log)


def test_a_commit_under_way_during_a_rollback_never_replaces_what_came_after_it(
    store: Store, small_models: Models
) -> None:
    first = msgspec.structs.replace(small_models, generation=1, horizon=small_models.horizon - DAY)
    published(store, first)
    published(store, small_models)
    slow = Disturbed(url_of(store), 1)

    def rolled_back_and_overtaken(*_: object) -> None:
        store.roll_back(store.generations())
        applier(store).apply(encoded([event(0, small_models.horizon)]))

    slow.disturbance = rolled_back_and_overtaken
    applied = applier(slow).apply(encoded([event(1, small_models.horizon)]))
    assert applied.conflicts == 1
    assert {(said.generation, said.evidence) for said in records(store, "u:0").values()} == {(1, 2)}


def test_a_store_that_lost_its_pointer_is_named_rather_than_waited_for(store: Store, small_models: Models) -> None:
    published(store, small_models)
    busy = applier(store)
    busy.apply(encoded([event(0, small_models.horizon)]))
    store.redis.delete("la:gen")
    with pytest.raises(StoreError, match="the pointer was lost"):
        busy.apply(encoded([event(1, small_models.horizon)]))


def test_before_the_first_generation_state_is_kept_and_after_it_the_next_event_scores_all(
    store: Store, small_models: Models
) -> None:
    busy = applier(store)
    first = busy.apply(encoded([event(n, small_models.horizon + n) for n in range(3)]))
    assert (first.written, first.predictions, counts(store)) == (1, [], Counts(applied=3))
    published(store, small_models)
    (said, *_) = busy.apply(encoded([event(3, small_models.horizon + 3)])).predictions
    assert (said.use_case, said.evidence, said.generation) == ("recommend", 4, 2)


def test_a_titles_share_of_positive_posts_is_the_count_by_hand(store: Store, small_models: Models) -> None:
    texts = ["good", "good and bad", "bad", "Not good", "good GOOD", "said nothing"]
    published(store, small_models)
    applier(store).apply(encoded([post(n, small_models.horizon + n, text) for n, text in enumerate(texts)]))
    said = records(store, "t:a")["sentiment"]
    low, high = (round(bound, 6) for bound in wilson(2, 6))
    share = {"positive": round(2 / 6, 6), "low": low, "high": high, "posts": 6}
    assert {name: said.value[name] for name in share} == share
    assert said.value["windows"] == {window: [6, 2] for window in ("hour", "day", "week", "month")}
    assert said.value["days"] == [[6, 2], *[[0, 0]] * 13]
    assert (said.evidence, said.as_of) == (6, rfc3339(small_models.horizon + 5))


def stored_by_the_release_before(store: Store, time: int) -> None:
    """Of a title: the night's two posts and the stream's one, by day alone."""
    nights = {day_of(time) - 1: PostTile(2, 1, 1_000_000, time - DAY, time - DAY + 1)}
    days = {day_of(time): PostTile(1, 1, 700_000, time, time)}
    state = [1, days, {day_of(time): (0).to_bytes(8, "little")}, {"posts/0": 0}, Counts(applied=1)]
    store.publish(2, [("t:a", {"profile": msgspec.msgpack.encode(nights)})])
    before = store.read_entities(["t:a"], 2)[0]
    [kept] = store.commit([Commit("t:a", before.version, 1, msgspec.msgpack.encode(state), [])])
    assert kept.written


def test_what_the_release_before_stored_of_a_title_is_counted_on(store: Store, small_models: Models) -> None:
    published(store, small_models)
    time = small_models.horizon
    stored_by_the_release_before(store, time)
    applier(store).apply(encoded([post(0, time, "good"), post(1, time + 1, "good")]))
    said = records(store, "t:a")["sentiment"]
    assert (said.evidence, said.value["positive"], counts(store)) == (4, 0.75, Counts(applied=2))


def test_what_the_release_before_stored_of_a_silent_title_is_scored_anew(store: Store, small_models: Models) -> None:
    published(store, small_models)
    stored_by_the_release_before(store, small_models.horizon)
    published(store, msgspec.structs.replace(small_models, generation=3))
    assert applier(store).rescore(["t:a"]).written == 1
    said = records(store, "t:a")["sentiment"]
    assert (said.generation, said.evidence, said.value["days"][0]) == (3, 1, [1, 1])
    assert msgspec.msgpack.decode(content(store)["t:a"].state)[0] == 2


def test_a_gated_record_that_is_none_stops_before_anything_is_written(store: Store, small_models: Models) -> None:
    published(store, small_models)
    with pytest.raises(ValueError, match="not a gated record"):
        applier(store).apply([*encoded([event(0, small_models.horizon)]), b"{"])
    assert content(store) == {}
