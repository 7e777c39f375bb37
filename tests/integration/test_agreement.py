"""The agreement meter in a real store: speed's last answers before a night against that night's, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from in_process import asked
from store_server import StoreServer

from batch.judgement.agreement import agreement
from lambda_arch.agreement import Agreed, Agreement, decode_agreement
from lambda_arch.clock import HOUR, parse_rfc3339, rfc3339
from lambda_arch.commits import Commit
from lambda_arch.config import load_config
from lambda_arch.keys import agreement_key
from lambda_arch.records import Prediction, encode
from lambda_arch.store import Store
from serving.app import create_app

pytestmark = pytest.mark.servers
HORIZON = parse_rfc3339("2016-01-03T00:00:00Z")


def churn(entity: str, layer: str, probability: float, **changes: Any) -> Prediction:
    fields = {"generation": 3 if layer == "batch" else 2, "as_of": rfc3339(HORIZON - HOUR), **changes}
    return Prediction(
        use_case="churn", entity=entity, value={"probability": probability, "at_risk": False, "cutoff": 0.5},
        layer=layer, model="m", model_version=2, evidence=9, written_at=rfc3339(HORIZON), **fields,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Generation 2 is current, 3 is written and not yet current; five users with what there can be of each."""
    server = StoreServer(tmp_path)
    server.start()
    store = Store(server.url, 1)
    store.reserve(2, HORIZON - 24 * HOUR)
    store.reserve(3, HORIZON)
    store.flip(2, HORIZON - 24 * HOUR)
    speed = [
        churn("u:1", "speed", 0.2), churn("u:2", "speed", 0.5), churn("u:ahead", "speed", 0.9, as_of=rfc3339(HORIZON)),
        churn("u:old", "speed", 0.9, generation=1), churn("u:gone", "speed", 0.9),
    ]  # fmt: skip
    for said in speed:
        store.commit([Commit(said.entity, 0, 0, b"", [said])])
    nights = [(entity, churn(entity, "batch", 0.4)) for entity in ("u:1", "u:2", "u:ahead", "u:old", "u:silent")]
    store.publish(3, [(entity, {"churn": encode(said), "segment": b"no record"}) for entity, said in nights])
    yield store
    store.redis.close()
    server.stop()


def test_those_who_know_the_same_are_held_against_each_other(store: Store) -> None:
    found = agreement(store, 3, HORIZON, former=2)
    assert found.use_cases["churn"] == Agreed(0.85, 0.05, cases=2, ahead=1)  # 0.8 and 0.9
    assert found.use_cases["segment"] == Agreed(None, None, cases=0, ahead=0)
    store.put_agreement(found)
    assert decode_agreement(store.redis.get(agreement_key(3))) == found


def test_it_is_told_by_generation_and_in_the_metrics(store: Store) -> None:
    store.put_agreement(agreement(store, 3, HORIZON, former=2))
    app = create_app(load_config({"LAMBDA_ARCH__STORE__URL": f"{store_url(store)}"}))
    of_all, of_3, of_2, metrics = asked(app, ["/v1/agreement", "/v1/agreement/3", "/v1/agreement/2", "/metrics"])
    assert of_all.json()["generations"] == [of_3.json()]
    assert (of_3.json()["former"], of_3.json()["use_cases"]["churn"]["value"]) == (2, 0.85)
    assert of_2.status_code == 404
    assert "no agreement of generation 2" in of_2.json()["detail"]
    assert 'lambda_arch_agreement{use_case="churn"} 0.85' in metrics.text
    assert 'lambda_arch_agreement{use_case="segment"} NaN' in metrics.text


def test_the_newest_nights_are_told_and_no_more_than_asked(store: Store) -> None:
    store.reserve(4, HORIZON + 24 * HOUR)
    for generation in (3, 4):
        store.put_agreement(Agreement(generation, generation - 1, {"churn": Agreed(0.9, 0.01, 9, 0)}))
    app = create_app(load_config({"LAMBDA_ARCH__STORE__URL": f"{store_url(store)}"}))
    told = [[night["generation"] for night in reply.json()["generations"]]
            for reply in asked(app, ["/v1/agreement", "/v1/agreement?n=1"])]  # fmt: skip
    assert told == [[4, 3], [4]]


def store_url(store: Store) -> str:
    kwargs = store.redis.connection_pool.connection_kwargs
    return f"redis://{kwargs['host']}:{kwargs['port']}/0"
