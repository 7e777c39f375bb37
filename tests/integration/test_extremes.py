"""Extremes over a real broker and store, and what was counted of each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from speed_stack import add_partitions, messages, speed_config, speed_stack, until
from store_content import counts, records

from deploy import servers
from lambda_arch.clock import DAY, HOUR, SECOND, rfc3339, wall_now
from lambda_arch.config import Config
from lambda_arch.models import Models
from lambda_arch.states import Counts, decode_state
from lambda_arch.store import Store
from lambda_arch.tiles import Tile
from streaming.produce import Record, produce

MANY, MIB = 10_000, 1 << 20
pytestmark = [pytest.mark.servers, pytest.mark.spark]


class Stack:
    """A broker and a store, and a speed layer that was started when `backlog` was in its topics."""

    def __init__(self, config: Config, store: Store, horizon: int) -> None:
        self.config, self.store, self.horizon = config, store, horizon
        self.realtime = config.speed.mode == "realtime"

    def view(self, user: str, number: int, time: int | None = None) -> Record:
        """Each of a title of its own, each second one; at the given time."""
        at = rfc3339(self.horizon + number * SECOND if time is None else time)
        event = {"event_type": "view", "user_id": user, "title_id": f"t{number}", "value": 1.0, "event_time": at}
        return Record("events", user.encode(), json.dumps({"event_id": f"{user}-{number}", **event}).encode())

    def send(self, sent: Sequence[Record]) -> None:
        produce(self.config.kafka.bootstrap, sent, None, self.config.kafka.topics)

    def rejected(self, key: bytes) -> list[str]:
        """The reasons of what was quarantined under the key."""
        found = messages(self.config, self.config.kafka.topics.quarantine)
        return sorted(dict(said.headers())["reason"].decode() for said in found if said.key() == key)

    def batches(self) -> int:
        """How many batches of events have ended."""
        folder = Path(self.config.paths.checkpoints) / f"{self.config.speed.mode}-events" / "commits"
        return sum(path.name.isdigit() for path in folder.iterdir())


@pytest.fixture(scope="module", params=["realtime", "microbatch"])
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, small_models: Models
) -> Iterator[Stack]:
    config = speed_config(tmp_path_factory.mktemp("extremes") / "var", mode=request.param, scorer_batch=2 * MANY)
    config = config.model_copy(update={"events": config.events.model_copy(update={"max_bytes": MIB})})
    with speed_stack(config, ["kafka", "store"], small_models) as store:
        found = Stack(config, store, small_models.horizon)
        found.send([found.view("one", number) for number in range(MANY)])
        found.send([found.view(f"each-{number}", number) for number in range(MANY)])
        servers.start(config, ["gate", "scorer"] if found.realtime else ["gate"])
        yield found


def test_ten_thousand_events_of_one_user_in_one_batch_are_one_users_tile(stack: Stack) -> None:
    until(lambda: counts(stack.store, "u:one").applied >= MANY)
    assert counts(stack.store, "u:one") == Counts(applied=MANY)
    [stored] = stack.store.read_entities(["u:one"], 0)
    # A scorer takes what there is, a micro-batch all of it: one compare-and-set.
    assert stack.realtime or stored.version == 1
    [tile] = decode_state(stored.state, Tile).tiles.values()
    assert (tile.counts, tile.watched) == ({"view": MANY}, MANY * 1_000_000)
    assert [seen.title for seen in tile.history] == [f"t{MANY - number}" for number in range(1, 2001)]
    assert records(stack.store, "u:one")["segment"].evidence == MANY


def test_one_event_each_of_ten_thousand_users_is_a_tile_each(stack: Stack) -> None:
    until(lambda: counts(stack.store, "u:each").applied >= MANY)
    assert counts(stack.store, "u:each") == Counts(applied=MANY)
    states = [decode_state(state, Tile) for entity, state in stack.store.speed_states() if entity.startswith("u:each")]
    assert len(states) == MANY
    assert {tile.events() for state in states for tile in state.tiles.values()} == {1}


def test_after_an_empty_hour_events_are_applied_as_before(stack: Stack) -> None:
    stack.send([stack.view("idle", number) for number in range(50)])
    until(lambda: counts(stack.store, "u:idle").applied == 50)
    if stack.realtime:
        # Batches in which nothing came; micro-batches are not begun for nothing.
        before = stack.batches()
        until(lambda: stack.batches() > before + 2)
    stack.send([stack.view("idle", number, stack.horizon + HOUR + number * SECOND) for number in range(50, 100)])
    until(lambda: counts(stack.store, "u:idle").applied >= 100)
    assert counts(stack.store, "u:idle") == Counts(applied=100)


def test_a_clock_that_jumps_is_counted_event_by_event(stack: Stack) -> None:
    """A device's, to before all time and back, to what the batch layer has, and ahead by less and more than an hour."""
    now = wall_now()
    times = [stack.horizon, 1, stack.horizon + 1, 10 * DAY, now + HOUR // 2, now + 2 * HOUR, stack.horizon + 2]
    stack.send([stack.view("jumps", number, time) for number, time in enumerate(times)])
    until(lambda: counts(stack.store, "u:jumps").applied >= 4 and len(stack.rejected(b"jumps")) >= 2)
    assert counts(stack.store, "u:jumps") == Counts(applied=4, late=1)
    assert stack.rejected(b"jumps") == ["bad_time", "bad_time"]
    assert stack.store.event_now() == now + HOUR // 2


def test_a_record_of_a_mebibyte_is_applied_and_one_byte_more_is_too_large(stack: Stack) -> None:
    event = {"event_id": "large", "event_type": "account", "user_id": "large", "event_time": rfc3339(stack.horizon)}
    empty = json.dumps({**event, "properties": {"tenure": "5", "note": ""}}).encode()
    whole = empty.replace(b'"note": ""', b'"note": "' + b"x" * (MIB - len(empty)) + b'"')
    assert len(whole) == MIB
    stack.send([Record("events", b"large", whole), Record("events", b"large", whole + b" ")])
    until(lambda: counts(stack.store, "u:large").applied >= 1 and stack.rejected(b"large") != [])
    assert counts(stack.store, "u:large") == Counts(applied=1)
    assert stack.rejected(b"large") == ["too_large"]
    assert records(stack.store, "u:large")["churn"].evidence == 1


def test_a_topic_that_gains_partitions_while_its_gate_runs_is_read_in_all_of_them(stack: Stack) -> None:
    topic = stack.config.kafka.topics.events
    stack.send([stack.view(f"gains-{number % 40}", number) for number in range(400)])
    add_partitions(stack.config, topic, 4)
    # A client of its own, which knows of the new partitions at once.
    stack.send([stack.view(f"gains-{number % 40}", number) for number in range(400, 800)])
    assert {message.partition() for message in messages(stack.config, topic)} == {0, 1, 2, 3}
    until(lambda: counts(stack.store, "u:gains").applied >= 800)
    assert counts(stack.store, "u:gains") == Counts(applied=800)
