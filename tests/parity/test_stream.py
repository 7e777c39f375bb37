"""What the stream makes of an event set, in both modes, is field by field what the batch layer makes of its archive.

Records come in a random order within and across partitions, three in ten of the events once more, in random cuts; gate
and scorers are stopped and started again, and another scorer has a partition for a while. Late ones are the next
night's.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest
from archived import profiles_in, publish
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from scorers import shares, threads
from speed_stack import accounted, archived, events, posts, speed_config, speed_stack, until
from store_content import counts, records, views

from batch.conform import conform_bronze
from batch.known import known_before
from batch.pipeline import score
from deploy import servers
from lambda_arch.clock import DAY, day_of, parse_rfc3339, rfc3339
from lambda_arch.config import Config
from lambda_arch.features import profiles
from lambda_arch.lake import Lake
from lambda_arch.models import Models
from lambda_arch.posts import PostProfile, decode_post_profile, merge_post_profiles
from lambda_arch.predictions import Scoring, predict_user
from lambda_arch.schemas import TITLE
from lambda_arch.states import State, decode_state, since
from lambda_arch.store import Store
from lambda_arch.tables import EVENTS, POSTS, TABLES, TITLES
from lambda_arch.tiles import Tile, merge_profiles, profile_of
from streaming.produce import Record, produce

pytestmark = [pytest.mark.servers, pytest.mark.spark]
SEED, SENT, TALK, AGAIN = 20160103, 1500, 60, 0.3


class Stream:
    """A speed layer and an archive to which everything is sent, with what may disturb it in between."""

    def __init__(self, config: Config, store: Store, horizon: int) -> None:
        self.config, self.store, self.horizon = config, store, horizon
        self._chance, self._realtime = random.Random(SEED), config.speed.mode == "realtime"
        sent = [*events(SEED, SENT, horizon, AGAIN), *posts(SEED, TALK, horizon)]
        self._chance.shuffle(sent)
        # By a random key, so that everybody's events are in every partition.
        self.sent = [Record(record.topic, self._chance.randbytes(4), record.value) for record in sent]

    def run(self) -> None:
        """Send all of it, and wait until everything is accounted for and archived."""
        pieces = [self.sent[number::4] for number in range(4)]
        self.send(pieces[0])
        self._restart("gate", pieces[1])
        self._rebalance(pieces[2]) if self._realtime else self.send(pieces[2])
        self._restart("scorer" if self._realtime else "gate", pieces[3])
        until(lambda: accounted(self.config, self.store) >= len(self.sent))
        until(lambda: archived(self.config) >= len(self.sent))
        servers.stop(self.config, ["archive"])

    def send(self, records: Sequence[Record]) -> None:
        """In random cuts: what there is when a batch begins is in that batch."""
        left = list(records)
        while left:
            cut = self._chance.randrange(1, 100)
            produce(self.config.kafka.bootstrap, left[:cut], None, self.config.kafka.topics)
            left = left[cut:]

    def _restart(self, name: str, meanwhile: Sequence[Record]) -> None:
        servers.stop(self.config, [name])
        self.send(meanwhile[::2])
        servers.start(self.config, [name])
        self.send(meanwhile[1::2])

    def _rebalance(self, meanwhile: Sequence[Record]) -> None:
        """Another scorer has one of the partitions for a while."""
        with threads(self.config):
            until(lambda: shares(self.config) == [1, 1])
            self.send(meanwhile)
            until(lambda: counts(self.store).applied > len(self.sent) // 4)

    def states(self, prefix: str, tile: Any) -> dict[str, State[Any]]:
        """The states of entities that begin so, without the prefix."""
        stored = self.store.speed_states()
        return {found[2:]: decode_state(state, tile) for found, state in stored if found.startswith(prefix)}


@pytest.fixture(scope="module", params=["realtime", "microbatch"])
def stream(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, small_models: Models
) -> Iterator[Stream]:
    var = tmp_path_factory.mktemp("parity") / "var"
    config = speed_config(var, mode=request.param, scorer_batch=20, backlog_batch=20)
    names = ["kafka", "store", "archive", "gate", *(["scorer"] if request.param == "realtime" else [])]
    with speed_stack(config, names, small_models) as store:
        found = Stream(config, store, small_models.horizon)
        found.run()
        yield found


@pytest.fixture(scope="module")
def lake(stream: Stream, spark: SparkSession, small_models: Models) -> Lake:
    """The archive as the night conforms it, and a catalogue."""
    found = Lake(spark, stream.config.paths.lake, "test")
    found.create(*TABLES)
    titles = [(key, said.name, said.year, list(said.genres)) for key, said in small_models.catalogue.items()]
    found.append(spark.createDataFrame([(*row, [], None, None) for row in titles], TITLE), TITLES)
    conform_bronze(found, stream.config)
    return found


def test_every_record_sent_is_counted_once_and_those_before_the_horizon_as_late(stream: Stream, lake: Lake) -> None:
    sent = [record.value for record in stream.sent]
    fresh = [value for value in sent if parse_rfc3339(json.loads(value)["event_time"]) >= stream.horizon]
    total = counts(stream.store)
    assert (total.applied, total.duplicates) == (len(set(fresh)), len(fresh) - len(set(fresh)))
    assert total.late == len(sent) - len(fresh)
    assert min(total.late, total.duplicates) > 200
    silver = lake.read(EVENTS).count() + lake.read(POSTS).count()
    assert silver == len(set(sent))


def test_each_users_tile_of_each_day_is_the_batch_layers(stream: Stream, lake: Lake) -> None:
    fresh = lake.read(EVENTS).where(F.unix_micros("event_time") >= stream.horizon)
    # Whose days are users of their own, so that their profiles are their tiles.
    daily = fresh.withColumn("user_id", F.concat_ws("/", F.unix_date("event_date"), "user_id"))
    wanted: dict[str, dict[int, Tile]] = {}
    for name, profile in profiles_in(daily.transform(profiles(lake.read(TITLES), limit(stream)))).items():
        day, _, user = name.partition("/")
        wanted.setdefault(user, {})[int(day)] = profile.lifetime
    found = stream.states("u:", Tile)
    assert {user: state.tiles for user, state in found.items() if state.tiles} == wanted
    assert len(wanted) == 40


def test_each_titles_days_hours_and_minutes_are_the_batch_layers(
    stream: Stream, lake: Lake, small_models: Models
) -> None:
    scored = score(known_before(lake, stream.horizon + 4 * DAY, limit(stream)), small_models, stream.config)
    rows = scored.where("entity like 't:%'").collect()
    wanted = {row.entity[2:]: decode_post_profile(row.profile) for row in rows}
    found = stream.states("t:", PostProfile)
    assert {title: merge_post_profiles(state.tiles.values()) for title, state in found.items()} == wanted
    assert len(wanted) == 4


def test_who_saw_a_title_that_came_up_since_the_night_is_who_the_batch_layer_knows(stream: Stream, lake: Lake) -> None:
    fresh = lake.read(EVENTS).where((F.unix_micros("event_time") >= stream.horizon) & (F.col("title_id") == "e"))
    newest = fresh.groupBy("user_id").agg(F.max(F.unix_micros("event_time")).alias("newest")).collect()
    assert views(stream.store) == {"e": {row.user_id: row.newest for row in newest}}
    assert len(newest) > 30


@pytest.mark.parametrize("days", range(4))
def test_the_nights_profile_and_the_streams_tiles_since_make_the_profile_of_all_late_events_among_them(
    stream: Stream, lake: Lake, days: int
) -> None:
    horizon = stream.horizon + days * DAY
    night, everything = (
        profiles_in(known_before(lake, until, limit(stream)).profiles) for until in (horizon, stream.horizon + 4 * DAY)
    )
    merged = {
        user: merge_profiles(night[user], profile_of(since(state, horizon), limit(stream)), limit(stream))
        for user, state in stream.states("u:", Tile).items()
    }
    assert merged == everything


def test_the_next_night_heals_what_was_late(stream: Stream, lake: Lake, small_models: Models) -> None:
    models = msgspec.structs.replace(small_models, generation=3, horizon=stream.horizon + DAY)
    everything = profiles_in(known_before(lake, stream.horizon + 4 * DAY, limit(stream)).profiles)
    publish(lake, stream.config, stream.store, models)
    before, time = counts(stream.store), stream.horizon + 4 * DAY
    stream.send([search(user, time) for user in everything])
    until(lambda: counts(stream.store).applied >= before.applied + len(everything))
    top_n = stream.config.batch.top_n
    for user, known in everything.items():
        last = Tile(counts={"search": 1}, first=time, last=time)
        profile = merge_profiles(known, profile_of({day_of(time): last}, limit(stream)), limit(stream))
        said = predict_user(user, profile, Scoring(models, "speed", time, 0, top_n))
        wanted = {record.use_case: msgspec.structs.replace(record, written_at="") for record in said}
        assert records(stream.store, f"u:{user}") == wanted
        assert wanted["segment"].evidence == known.lifetime.events() + 1
    assert counts(stream.store).late == before.late


def search(user: str, time: int) -> Record:
    event = {"event_id": f"after-{user}", "event_type": "search", "user_id": user, "event_time": rfc3339(time)}
    return Record("events", user.encode(), json.dumps(event).encode())


def limit(stream: Stream) -> int:
    return stream.config.features.history_limit
