"""What operators ask over HTTP, of a real store: generations, the way back, fidelity; and the description's page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
from served import served
from store_server import StoreServer, emptied

from lambda_arch.clock import HOUR
from lambda_arch.config import load_config
from lambda_arch.fidelity import FidelityTable, Measure
from lambda_arch.models import Models
from lambda_arch.store import Store

pytestmark = pytest.mark.servers
FIDELITY = FidelityTable(2, {"churn": {"batch": {"0": Measure(-0.5, 0.01, 99)}}})


@pytest.fixture
def store(server: StoreServer) -> Iterator[Store]:
    with emptied(server.url) as store:
        yield store


@pytest.fixture
def client(store: Store, server: StoreServer, tmp_path: Path) -> Iterator[httpx.Client]:
    config = load_config({
        "LAMBDA_ARCH__STORE__URL": server.url, "LAMBDA_ARCH__KAFKA__BOOTSTRAP": "127.0.0.1:1",
        "LAMBDA_ARCH__SERVING__ACCESS__KEYS_FILE": str(tmp_path / "keys.json"),
    })  # fmt: skip
    with served(config) as client:
        yield client


@pytest.fixture
def two_generations(store: Store, small_models: Models) -> Store:
    """Generation 2 is current, 1 is previous; both are whole, of one user."""
    for number in (1, 2):
        horizon = small_models.horizon + (number - 2) * 24 * HOUR
        models = msgspec.structs.replace(small_models, generation=number, horizon=horizon)
        store.put_models(models, msgspec.structs.replace(FIDELITY, generation=number))
        report = {"users": 1, "titles": 0, "models": {"churn": "m"}, "trained_in": {"churn": 1}, "number": number}
        store.put_report(number, json.dumps(report).encode())
        store.publish(number, [("u:42", {"churn": b"{}"})])
        store.reserve(number, horizon)
        store.flip(number, horizon)
    return store


def test_generations_are_listed_and_told(two_generations: Store, client: httpx.Client) -> None:
    found = client.get("/v1/generations").json()
    assert [(row["generation"], row["state"], row["users"]) for row in found] == [(2, "current", 1), (1, "previous", 1)]
    assert client.get("/v1/generations/1").json()["number"] == 1
    missing = client.get("/v1/generations/9")
    assert (missing.status_code, "/v1/generations" in missing.json()["detail"]) == (404, True)


def test_what_did_not_change_is_not_sent_again(two_generations: Store, client: httpx.Client) -> None:
    for path in ("/v1/generations", "/v1/generations/2", "/v1/fidelity", "/docs/swagger-ui.css"):
        first = client.get(path)
        assert first.headers["cache-control"] == "private, no-cache"
        again = client.get(path, headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
        assert (again.status_code, again.content) == (304, b"")
    tag = client.get("/v1/fidelity").headers["etag"]
    client.post("/v1/generations/rollback")
    assert client.get("/v1/fidelity", headers={"If-None-Match": tag}).json()["generation"] == 1


def test_a_rollback_is_done_once_and_then_there_is_no_way_back(two_generations: Store, client: httpx.Client) -> None:
    wrong = client.post("/v1/generations/rollback?to=7")
    assert (wrong.status_code, wrong.headers["content-type"]) == (409, "application/problem+json")
    assert client.post("/v1/generations/rollback?to=1").json() == {"withdrawn": 2, "current": 1}
    assert two_generations.generations().current == 1
    assert "nothing to roll back to" in client.post("/v1/generations/rollback").json()["detail"]


def test_fidelity_is_that_of_the_generation_in_service(two_generations: Store, client: httpx.Client) -> None:
    assert client.get("/v1/fidelity").json() == {
        "generation": 2,
        "use_cases": {"churn": {"batch": {"0": {"value": -0.5, "standard_error": 0.01, "cases": 99, "borrowed": []}}}},
    }


def test_nothing_published_is_no_fault(store: Store, client: httpx.Client) -> None:
    assert client.get("/v1/generations").json() == []
    assert client.get("/v1/fidelity").json() == {"generation": 0, "use_cases": {}}
    assert client.post("/v1/generations/rollback").status_code == 409


def test_what_does_not_answer_is_a_503(store: Store, server: StoreServer, client: httpx.Client) -> None:
    away = client.get("/v1/quarantine")
    assert (away.status_code, "127.0.0.1:1" in away.json()["detail"]) == (503, True)
    server.stop()
    assert client.get("/v1/generations").status_code == 503
    server.start()
    assert client.get("/v1/generations").json() == []


def test_the_descriptions_page_is_files_of_ours(client: httpx.Client) -> None:
    page = client.get("/docs")
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "://" not in page.text
    for name, kind in (("swagger-ui-bundle.js", "text/javascript"), ("swagger-ui.css", "text/css"),
                       ("start.js", "text/javascript")):  # fmt: skip
        assert f"/docs/{name}" in page.text
        part = client.get(f"/docs/{name}")
        assert (part.status_code, part.headers["content-type"].partition(";")[0]) == (200, kind)
    assert client.get("/docs/core.py").status_code == 404
