"""An experiment's arm by generation, over a real store: the night before the last alone, logged and decided again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from in_process import asked
from store_server import StoreServer
from test_api import FIDELITY, HORIZON, NOW, record
from test_apply import event

from lambda_arch.clock import HOUR, rfc3339
from lambda_arch.config import Config, ConfigError, load_config
from lambda_arch.experiments import Arm, Experiment
from lambda_arch.models import Models
from lambda_arch.reads import AsyncStore
from lambda_arch.records import UseCase, encode
from lambda_arch.store import Store
from serving.answers import Answers
from serving.app import create_app
from serving.entries import decode_entry, encode_entry, entry_of, noted
from serving.replaying import Replay
from streaming.apply import Applier

pytestmark = pytest.mark.servers
USERS = [str(number) for number in range(40)]
BEFORE: dict[UseCase, dict[str, Any]] = {
    "recommend": {"titles": ["d", "a", "c"], "scores": [0.7, 0.6, 0.2]},
    "churn": {"probability": 0.9, "at_risk": True, "cutoff": 0.4},
}
PREVIOUS = {"generation": "previous"}


@pytest.fixture(scope="module")
def store(server: StoreServer, small_models: Models) -> Iterator[Store]:
    """Two generations know everybody, the stream knows of one event of each since the second."""
    store = Store(server.url, 1)
    store.put_models(small_models, FIDELITY)
    store.flip(1, HORIZON - 24 * HOUR)
    store.flip(2, HORIZON)
    store.advance_clock(NOW)
    for user in USERS:
        entity, old = f"u:{user}", {"generation": 1, "as_of": rfc3339(HORIZON - 25 * HOUR)}
        former = {name: encode(record(name, entity, "batch", value=value, **old)) for name, value in BEFORE.items()}
        store.publish(1, [(entity, former)])
        store.publish(2, [(entity, {name: encode(record(name, entity, "batch")) for name in BEFORE})])
    events = [event(3 * number, HORIZON + HOUR, user) for number, user in enumerate(USERS)]  # all of title a
    Applier(store, 2000, 50).apply_records(events)
    yield store
    store.redis.close()


def tried(store: Store, use_case: UseCase, policy: dict[str, Any] = PREVIOUS, shadow: bool = False) -> Config:
    port = store.redis.connection_pool.connection_kwargs["port"]
    config = load_config({"LAMBDA_ARCH__STORE__URL": f"redis://127.0.0.1:{port}/0", "LAMBDA_ARCH__CLOCK": "event"})
    arms = {"control": Arm(weight=1, policy={"rule": "batch_first"}), "before": Arm(weight=1, policy=policy)}
    experiment = Experiment(name="nights", use_case=use_case, arms=arms, shadow=shadow)
    decisions = config.serving.decisions.model_copy(update={"share": 0.0})
    serving = config.serving.model_copy(update={"experiments": (experiment,), "decisions": decisions})
    return config.model_copy(update={"serving": serving})


def arm_of(config: Config, user: str) -> str | None:
    return config.serving.experiments[0].arm_of(f"u:{user}")


def answers(config: Config, question: str) -> dict[str, Any]:
    replies = asked(create_app(config), [f"/v1/users/{user}/{question}" for user in USERS])
    return {user: reply.json() for user, reply in zip(USERS, replies, strict=True)}


def test_an_arm_has_the_night_before_the_last_and_nobody_else_does(store: Store) -> None:
    config = tried(store, "churn")
    replies = answers(config, "churn")
    assert {arm_of(config, user) for user in USERS} == {"control", "before"}
    for user, reply in replies.items():
        told = (reply["generation"], reply["layer"], reply["value"]["probability"])
        assert told == ((1, "batch", 0.9) if arm_of(config, user) == "before" else (2, "batch", 0.31))


def test_its_list_is_that_night_s_less_what_was_seen_since(store: Store) -> None:
    config = tried(store, "recommend")
    for user, reply in answers(config, "recommendations?n=2").items():
        titles = [item["title_id"] for item in reply["value"]["items"]]
        assert "a" not in titles  # seen since
        told = (reply["generation"], reply["decision"]["rule"], titles == ["d", "c"])
        looks_back = arm_of(config, user) == "before"
        assert told == ((1, "only_batch", True) if looks_back else (2, "batch_first", False))


def test_where_there_is_no_generation_before_an_arm_is_answered_as_everybody(
    store: Store, small_models: Models
) -> None:
    config = tried(store, "churn")
    pointer = store.redis.dump("la:gen")
    store.redis.delete("la:gen")
    store.flip(2, HORIZON)
    try:
        assert {reply["generation"] for reply in answers(config, "churn").values()} == {2}
    finally:
        store.redis.restore("la:gen", 0, pointer, replace=True)


@pytest.mark.parametrize("shadow", [False, True])
def test_what_is_logged_of_it_comes_out_again(store: Store, shadow: bool) -> None:
    config = tried(store, "churn", shadow=shadow)
    [user] = [user for user in USERS if arm_of(config, user) == "before"][:1]

    async def logged() -> bytes:
        reading = Answers(AsyncStore(config.store.url), config)
        view = await reading.view_for("churn", f"u:{user}")
        policy, answer = reading.shadow(view, "churn", PREVIOUS)
        assert (reading.answer_of(view, "churn").generation == 1) == (not shadow)
        await reading.close()
        return encode_entry(entry_of(noted(view.by(policy, "churn"), answer, policy, 50, shown=None, arms={})))

    entry = decode_entry(asyncio.run(logged()))
    assert (entry.answer.generation, entry.stored["churn"][1]) == (1, None)
    assert Replay(config, lambda _: None).replayed(entry).verdict == "same"
    forged = msgspec.structs.replace(entry, policy={**entry.policy, "batch_hours": 0})
    assert Replay(config, lambda _: None).replayed(forged).verdict == "different"


def test_only_an_arm_looks_back() -> None:
    with pytest.raises(ConfigError, match=r"churn\.generation: only an experiment's arm looks back"):
        load_config({"LAMBDA_ARCH__SERVING__POLICIES__CHURN__GENERATION": "previous"})
