"""A new generation and a rollback while scorers run: everybody is scored anew though nobody does anything."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise, product
from typing import Any

import msgspec
import numpy as np
import pytest
from scorers import broker_and_store, encoded, heard, said, send, threads
from speed_stack import lag, until
from store_content import content, counts, records

from lambda_arch.clock import DAY, HOUR, day_of
from lambda_arch.config import Config
from lambda_arch.fidelity import FidelityTable
from lambda_arch.generations import roll_back
from lambda_arch.models import Models
from lambda_arch.posts import Post, PostProfile, merge_post_profiles, post_profile
from lambda_arch.predictions import Scoring, predict_title, predict_user
from lambda_arch.reads import AsyncStore
from lambda_arch.records import TITLE_USE_CASES, USER_USE_CASES, Layer, Prediction, UseCase, encode
from lambda_arch.scorers import rescored
from lambda_arch.scoring import post_tile
from lambda_arch.states import decode_state
from lambda_arch.store import Store
from lambda_arch.tiles import Event, Profile, Tile, merge_tiles, profile_of, unit_tile
from serving.answers import Answers
from serving.stored import candidates
from serving.values import presented
from streaming.announcer import Receipt
from streaming.apply import Applier
from streaming.rescore import Rescorer

pytestmark = pytest.mark.servers
USERS, TITLES, DATABASE = 60, 4, 9
Log = Sequence[Event | Post]


def event(offset: int, time: int, user: str, event_type: str = "view") -> Event:
    return Event(
        topic="events", partition=0, offset=offset, event_id=f"{offset}", id_hash=offset, event_type=event_type,
        user_id=user, event_time=time, title_id="abe"[offset % 3] if event_type == "view" else None,
        watched=1 if event_type == "view" else None, strength=1000 if event_type == "view" else None,
        attributes={"tenure": str(offset % 70)} if event_type == "account" else None,
    )  # fmt: skip


def log_of(horizon: int) -> Log:
    """Of every user an account and a view, of every title a post: on the day before the horizon and on two after it."""
    log: list[Event | Post] = []
    for day in range(-1, 2):
        time = horizon + day * DAY + HOUR
        for user in range(USERS):
            log += [event(len(log), time, str(user), "account"), event(len(log) + 1, time + 1, str(user))]
        log += [
            Post("posts", 0, len(log) + n, f"p{day}{n}", len(log) + n, "abcd"[n], time, "good")
            for n in range(TITLES)
        ]  # fmt: skip
    return log


def generation(models: Models, number: int, horizon: int) -> Models:
    """Models that say something else of everybody: other factors, segments, chances and feelings."""
    assert models.recommend and models.segment and models.churn and models.sentiment
    turn = np.roll(models.recommend.factors, number, axis=0)
    return msgspec.structs.replace(
        models, generation=number, horizon=horizon,
        recommend=msgspec.structs.replace(models.recommend, version=number, factors=turn),
        segment=msgspec.structs.replace(models.segment, version=number, numbers=[number, number + 10, number + 20]),
        churn=msgspec.structs.replace(models.churn, version=number, intercept=number / 3),
        sentiment=msgspec.structs.replace(models.sentiment, version=number, prior=np.array([9.0 * (number % 2), 1.0])),
    )  # fmt: skip


class Audience:
    """What is known of everybody, and what each layer of each generation must say of them."""

    def __init__(self, models: Models, log: Log, history_limit: int, top_n: int) -> None:
        self._models, self._limit, self._top_n = models, history_limit, top_n
        self._users: dict[str, list[Event]] = {}
        self._posts: dict[str, list[Post]] = {}
        for record in log:
            if isinstance(record, Event):
                self._users.setdefault(f"u:{record.user_id}", []).append(record)
            else:
                self._posts.setdefault(f"t:{record.title_id}", []).append(record)

    def entities(self) -> list[str]:
        return [*self._users, *self._posts]

    def hashes(self, models: Models) -> list[tuple[str, dict[str, bytes]]]:
        """What a night publishes: profiles and records of what it knows."""
        rows = []
        for entity in self.entities():
            known = self._known(entity, models, before=models.horizon)
            said = {record.use_case: encode(record) for record in self.says(entity, models, "batch")}
            rows.append((entity, {"profile": msgspec.msgpack.encode(known), **said}))
        return rows

    def says(self, entity: str, models: Models, layer: Layer) -> list[Prediction]:
        known = self._known(entity, models, before=models.horizon if layer == "batch" else None)
        scoring = Scoring(models, layer, max(models.horizon, known.lifetime.last or 0), 0, self._top_n)
        if isinstance(known, Profile):
            return predict_user(entity[2:], known, scoring)
        return predict_title(entity[2:], known, scoring)

    def _known(self, entity: str, models: Models, before: int | None) -> Profile | PostProfile:
        if entity.startswith("t:"):
            # What a post felt is said once, by the models of its time: here the same ones for all.
            posts = [post for post in self._posts[entity] if before is None or post.event_time < before]
            tiles = [post_tile(self._models.sentiment, post.event_time, post.text) for post in posts]
            return merge_post_profiles(map(post_profile, tiles))
        events = [record for record in self._users[entity] if before is None or record.event_time < before]
        days: dict[int, list[Tile]] = {}
        for record in events:
            days.setdefault(day_of(record.event_time), []).append(unit_tile(record, models.genres))
        return profile_of({day: merge_tiles(tiles, self._limit) for day, tiles in days.items()}, self._limit)


def publish(store: Store, models: Models, audience: Audience) -> None:
    store.publish(models.generation, audience.hashes(models))
    store.put_models(models, FidelityTable(models.generation, {}))
    users = sum(entity.startswith("u:") for entity in audience.entities())
    told = {"users": users, "titles": len(audience.entities()) - users}
    store.put_report(models.generation, msgspec.json.encode(told))
    store.flip(models.generation, models.horizon)


class Readers(threading.Thread):
    """Asks about everybody all the while; `wrong` is what no generation says, `asked` counts answers.

    Right is what a generation says of one of its audiences.
    """

    def __init__(self, config: Config, told: Sequence[tuple[Models, Sequence[Audience]]]) -> None:
        super().__init__(daemon=True)
        self._config, self._entities = config, told[0][1][0].entities()
        self._right: dict[tuple[str, UseCase, Layer, int], list[object]] = {}
        for models, audiences in told:
            for audience in audiences:
                self._learn(models, audience)
        self.asked: Counter[tuple[str, int]] = Counter()
        self.wrong: list[object] = []
        self._ended = threading.Event()

    def _learn(self, models: Models, audience: Audience) -> None:
        layers: tuple[Layer, ...] = ("batch", "speed")
        for layer, entity in product(layers, self._entities):
            for record in audience.says(entity, models, layer):
                at = (entity, record.use_case, layer, record.generation)
                self._right.setdefault(at, []).append(presented(record.use_case, record.value, models))

    def run(self) -> None:
        asyncio.run(self._ask())

    def end(self) -> None:
        self._ended.set()
        self.join(60)

    async def _ask(self) -> None:
        answers = Answers(AsyncStore(self._config.store.url), self._config)
        self.wrong += await answers.unready()
        while not self._ended.is_set():
            for entity in self._entities:
                await self._ask_about(answers, entity)
        await answers.close()

    async def _ask_about(self, answers: Answers, entity: str) -> None:
        use_cases = USER_USE_CASES if entity.startswith("u:") else TITLE_USE_CASES
        view = await answers.view(entity, use_cases)
        generations = {generation_of(view.stored[use_case], use_case, entity) for use_case in use_cases}
        if len(generations) > 1:
            self.wrong.append((entity, generations))
        for use_case in use_cases:
            given = answers.answer_of(view, use_case)
            at = (entity, use_case, given.layer, given.generation)
            self.asked[given.layer, given.generation] += 1
            if given.value not in self._right.get(at, []):
                self.wrong.append((at, given))


def generation_of(pair: tuple[bytes | None, bytes | None], use_case: UseCase, entity: str) -> int | None:
    """The generation of which the speed layer speaks."""
    speed = candidates(pair, use_case, entity)[0].speed
    return speed.generation if speed else None


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    """A broker and a store; time is the events'."""
    with broker_and_store(tmp_path_factory.mktemp("flip")) as found:
        yield found.model_copy(update={"clock": "event"})


def spoken(store: Store, entities: Sequence[str]) -> Mapping[str, dict[str, Prediction]]:
    return {entity: records(store, entity) for entity in entities}


def wanted(audience: Audience, models: Models) -> dict[str, dict[str, Prediction]]:
    return {
        entity: {
            record.use_case: msgspec.structs.replace(record, written_at="")
            for record in audience.says(entity, models, "speed")
        }
        for entity in audience.entities()
    }


def test_after_flips_and_a_rollback_silent_entities_are_scored_anew_and_no_answer_is_missing_or_mixed(
    config: Config, small_models: Models
) -> None:
    horizons = [small_models.horizon + day * DAY for day in range(3)]
    first, second, third = (generation(small_models, n + 1, at) for n, at in enumerate(horizons))
    log = log_of(small_models.horizon)
    audience = Audience(first, log, config.features.history_limit, config.batch.top_n)
    store = Store(config.store.url, 1)
    publish(store, first, audience)
    fresh = [record for record in log if record.event_time >= first.horizon]
    send(config, encoded(fresh))
    with threads(config, 2):
        until(lambda: counts(store).applied == len(fresh))
        assert spoken(store, audience.entities()) == wanted(audience, first)
        readers = Readers(config, [(models, [audience]) for models in (first, second, third)])
        readers.start()
        for models in (second, third):
            publish(store, models, audience)
            until(lambda models=models: spoken(store, audience.entities()) == wanted(audience, models))
            assert days_of(store) == kept(models.horizon - DAY, small_models.horizon + 2 * DAY)
        assert roll_back(store).current == second.generation
        until(lambda: spoken(store, audience.entities()) == wanted(audience, second))
        epoch, partitions = store.generations().epoch, config.kafka.partitions
        until(lambda: set(rescored(store).values()) == {epoch} and len(rescored(store)) == partitions)
        readers.end()
    assert readers.wrong == []
    # The third knows all there is, so that its night answers.
    assert set(readers.asked) >= {("speed", 1), ("speed", 2), ("batch", 3)}
    assert heard(config) == said(store)
    assert counts(store).applied == len(fresh)
    assert lag(config) == 0


def test_flips_and_a_rollback_in_mid_stream_lose_nothing_and_no_answer_is_missing_or_mixed(
    config: Config, small_models: Models
) -> None:
    horizons = [small_models.horizon + day * DAY for day in range(3)]
    first, second, third = (generation(small_models, n + 1, at) for n, at in enumerate(horizons))
    log = answered(config, first, [record for record in log_of(small_models.horizon) if isinstance(record, Event)])
    audience = Audience(first, log, config.features.history_limit, config.batch.top_n)
    store = Store(config.store.url, 1)
    store.redis.flushdb()
    publish(store, first, audience)
    fresh = [record for record in log if record.event_time >= first.horizon]
    steps = [*(partial(publish, store, models, audience) for models in (second, third)), partial(roll_back, store)]
    cuts = [len(fresh) * number // len(steps) for number in range(len(steps) + 1)]
    readers = Readers(config, [(models, audiences(config, models, log, fresh)) for models in (first, second, third)])
    with threads(config, 2):
        readers.start()
        for step, (begin, end) in zip(steps, pairwise(cuts), strict=True):
            sending = threading.Thread(target=one_by_one, args=(config, encoded(fresh[begin:end])))
            sending.start()
            until(lambda begin=begin: arrived(store) > begin)
            step()
            sending.join()
        until(lambda: arrived(store) == len(fresh) and spoken(store, audience.entities()) == wanted(audience, second))
        readers.end()
    assert readers.wrong == []
    assert set(readers.asked) >= {("speed", 1), ("speed", 2), ("batch", 3)}
    assert days_of(store) == kept(second.horizon, small_models.horizon + 2 * DAY)


def answered(config: Config, models: Models, log: Sequence[Event]) -> Sequence[Event]:
    """Of those of whom the night says everything, so that no answer may be missing afterwards."""
    audience = Audience(models, log, config.features.history_limit, config.batch.top_n)
    whole = {
        found for found in audience.entities() if len(audience.says(found, models, "batch")) == len(USER_USE_CASES)
    }
    return [record for record in log if f"u:{record.user_id}" in whole]


def audiences(config: Config, models: Models, log: Sequence[Event], fresh: Sequence[Event]) -> list[Audience]:
    """What the speed layer may know in a generation: what its night knew, and so many of everybody's fresh events."""
    place: Counter[str] = Counter()
    order: dict[int, int] = {}
    for record in fresh:
        place[record.user_id] += 1
        order[record.offset] = place[record.user_id]
    return [
        Audience(
            models, [record for record in log if record.event_time < models.horizon or order[record.offset] <= known],
            config.features.history_limit, config.batch.top_n,
        )
        for known in range(max(place.values()) + 1)
    ]  # fmt: skip


def one_by_one(config: Config, gated: Sequence[tuple[str, bytes]]) -> None:
    for record in gated:
        send(config, [record])


def arrived(store: Store) -> int:
    """How many records became anything at all."""
    total = counts(store)
    return total.applied + total.duplicates + total.late


def days_of(store: Store) -> set[int]:
    """The days of which users' tiles or ids of events are kept."""
    states = [decode_state(found.state, Tile) for entity, found in content(store).items() if entity.startswith("u:")]
    return {day for state in states for day in (*state.tiles, *state.ids)}


def kept(first: int, end: int) -> set[int]:
    return set(range(day_of(first), day_of(end)))


# -- without a broker ----------------------------------------------------------------------------------------


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    found = Store(store_url.removesuffix("/0") + f"/{DATABASE}", 1)
    found.redis.flushdb()
    yield found
    found.redis.flushdb()


class Deaf:
    """An announcer whose broker acknowledges nothing until it is told to."""

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []
        self.said: list[Prediction] = []

    def announce(self, predictions: Sequence[Prediction]) -> Receipt:
        receipt = Receipt()
        receipt.left = len(predictions)
        self.receipts.append(receipt)
        self.said += predictions
        return receipt


class Clock:
    """Time that passes only while the store is at work: a second for each commit."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Slow(Store):
    """A store of which each commit takes a second."""

    clock: Clock

    def commit(self, commits: Any) -> Any:
        self.clock.now += 1.0
        return super().commit(commits)


def stale(store: Store, models: Models) -> int:
    """Scores two days of everybody's events with one generation, then flips to the models; how many entities."""
    before = msgspec.structs.replace(models, generation=1, horizon=models.horizon - DAY)
    publish_models(store, before)
    log = log_of(models.horizon)
    Applier(store, 5, 3).apply_records(log)
    publish_models(store, models)
    return len(content(store))


def publish_models(store: Store, models: Models) -> None:
    store.put_models(models, FidelityTable(models.generation, {}))
    store.flip(models.generation, models.horizon)


def steps(rescorer: Rescorer, clock: Clock, count: int) -> int:
    """That many steps, each when it is due; how many entities were written."""
    written = 0
    for _ in range(count):
        clock.now += rescorer.rest(60.0)
        done = rescorer.step()
        written += done.written if done else 0
    return written


def test_a_walk_is_over_only_when_all_it_said_is_acknowledged(store: Store, small_models: Models) -> None:
    entities, deaf, clock = stale(store, small_models), Deaf(), Clock()
    walking = Rescorer(Applier(store, 5, 3), store, deaf, 0.5, lambda: (frozenset((0, 1)), 2), clock)  # type: ignore[arg-type]
    assert steps(walking, clock, 100) == entities
    assert rescored(store) == {}
    for receipt in deaf.receipts:
        receipt.left = 0
    steps(walking, clock, 2)
    assert rescored(store) == {"0/2": 2, "1/2": 2}


def test_who_begins_a_broken_walk_again_announces_what_was_scored_before(store: Store, small_models: Models) -> None:
    entities = stale(store, small_models)
    for _ in range(2):
        deaf, clock = Deaf(), Clock()
        walking = Rescorer(Applier(store, 5, 3), store, deaf, 0.5, lambda: (frozenset((0,)), 1), clock)  # type: ignore[arg-type]
        steps(walking, clock, 100)
        assert len({record.entity for record in deaf.said}) == entities


def test_what_another_scorer_has_is_left_to_it(store: Store, small_models: Models) -> None:
    entities, clock = stale(store, small_models), Clock()
    written = []
    for number in range(3):
        walking = Rescorer(
            Applier(store, 5, 3), store, Deaf(), 0.5, lambda number=number: (frozenset((number,)), 3), clock  # type: ignore
        )  # fmt: skip
        written.append(steps(walking, clock, 100))
    assert sum(written) == entities
    assert min(written) > 0


def test_a_walk_takes_its_share_of_the_time_and_no_more(store: Store, small_models: Models) -> None:
    entities, clock = stale(store, small_models), Clock()
    slow = Slow(url_of(store), 1)
    slow.clock = clock
    walking = Rescorer(Applier(slow, 5, 3), slow, Deaf(), 0.2, lambda: (frozenset((0,)), 1), clock)  # type: ignore[arg-type]
    walking.step()
    clock.now += walking.rest(60.0)
    done = walking.step()
    assert done is not None
    assert 0 < done.written < entities
    assert walking.rest(60.0) == pytest.approx(4.0)
    assert walking.step() is None


def url_of(store: Store) -> str:
    arguments = store.redis.connection_pool.connection_kwargs
    return f"redis://{arguments['host']}:{arguments['port']}/{arguments['db']}"


def test_a_generation_without_models_takes_no_answer_away(store: Store, small_models: Models) -> None:
    stale(store, small_models)
    store.redis.delete("la:model:2")
    before, clock = content(store), Clock()
    walking = Rescorer(Applier(store, 5, 3), store, Deaf(), 0.5, lambda: (frozenset((0,)), 1), clock)  # type: ignore[arg-type]
    assert steps(walking, clock, 20) == 0
    assert content(store) == before
    publish_models(store, small_models)
    assert steps(walking, clock, 100) == len(before)
