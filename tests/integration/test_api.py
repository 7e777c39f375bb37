"""The API over HTTP, against a real store that is filled, emptied, ended and started again."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from pydantic import BaseModel
from served import served, wait_for
from store_server import StoreServer, emptied
from typer.testing import CliRunner, Result

from deploy.ports import free_ports
from jobs.cli import app as console
from jobs.run_api import run
from lambda_arch.clock import HOUR, parse_rfc3339, rfc3339
from lambda_arch.commits import Commit
from lambda_arch.config import Config, ConfigError, load_config
from lambda_arch.fidelity import FidelityTable, Measure
from lambda_arch.models import Models
from lambda_arch.reads import AsyncStore
from lambda_arch.records import Prediction, UseCase, encode
from lambda_arch.store import Store, StoreError
from serving.replies import ChurnReply, EntityReply, RecommendationsReply, SegmentReply, SentimentReply

pytestmark = pytest.mark.servers
HORIZON = parse_rfc3339("2016-01-02T00:00:00Z")  # of small_models
NOW = HORIZON + 5 * HOUR
ALL = ["/v1/users/x/recommendations", "/v1/users/x/segment", "/v1/users/x/churn", "/v1/users/x/layers",
       "/v1/titles/x/sentiment"]  # fmt: skip
VALUES: dict[str, dict[str, Any]] = {
    "recommend": {
        "titles": ["b", "zz", "a"],
        "scores": [0.9, 0.5, 0.1],
        "next": {"after": "c", "titles": ["b"]},
    },
    "segment": {"segment": 0, "name": "casual", "distance": 0.5},
    "churn": {"probability": 0.31, "at_risk": False, "cutoff": 0.4},
    "sentiment": {
        "positive": 0.75,
        "low": 0.3,
        "high": 0.95,
        "posts": 4,
        "days": [[4, 3]],
        "pace": None,
        "windows": {"hour": [1, 1], "day": [4, 3], "week": [4, 3], "month": [4, 3]},
        "trend": {"direction": "steady", "slope": 0.1, "low": -0.2, "high": 0.4},
        "forecast": {name: {"share": 0.7, "low": 0.2, "high": 0.9} for name in ("day", "week")},
        "mood": "of a newer release",
    },
}
# Of a title without a post, and in records of the release before.
UNTOLD = dict.fromkeys(("windows", "days", "trend", "forecast", "pace"))
FIDELITY = FidelityTable(2, {
    "churn": {"batch": {"2-4": Measure(-0.5, 0.01, 99)}, "speed": {"2-4": Measure(-0.4, 0.01, 99)}},
    "recommend": {"batch": {"2-4": Measure(0.2, 0.01, 99)}, "speed": {"2-4": Measure(0.1, 0.01, 99)}},
})  # fmt: skip


def record(use_case: UseCase, entity: str, layer: str, **changes: object) -> Prediction:
    plain = Prediction(
        use_case=use_case, entity=entity, value=VALUES[use_case], layer=layer, model="m",  # type: ignore[arg-type]
        model_version=2, as_of=rfc3339(HORIZON - HOUR if layer == "batch" else NOW - HOUR),
        evidence=10 if layer == "batch" else 13, generation=2, written_at=rfc3339(NOW),
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changes)


@pytest.fixture(scope="module")
def config(server: StoreServer) -> Config:
    return load_config({"LAMBDA_ARCH__STORE__URL": server.url, "LAMBDA_ARCH__CLOCK": "event"})


Serve = Callable[[], httpx.Client]


@pytest.fixture
def serve(config: Config) -> Iterator[Serve]:
    """Start the API in a thread, as often as asked, each with nothing in memory yet."""
    with ExitStack() as running:
        yield lambda: running.enter_context(served(config))


@pytest.fixture
def store(server: StoreServer) -> Iterator[Store]:
    """The store, empty."""
    with emptied(server.url) as store:
        yield store


@pytest.fixture
def filled(store: Store, small_models: Models) -> Store:
    """Generation 2 is current; user 42 and title a are known to both layers, user 7 to batch's segment only."""
    store.put_models(small_models, FIDELITY)
    store.flip(1, HORIZON - 24 * HOUR)
    store.flip(2, HORIZON)
    store.advance_clock(NOW)
    users: tuple[UseCase, ...] = ("recommend", "segment", "churn")
    known: list[tuple[str, tuple[UseCase, ...]]] = [("u:42", users), ("t:a", ("sentiment",)), ("u:7", ("segment",))]
    for entity, use_cases in known:
        store.publish(2, [(entity, {use: encode(record(use, entity, "batch")) for use in use_cases})])
        if entity != "u:7":
            store.commit([Commit(entity, 0, 0, b"", [record(use, entity, "speed") for use in use_cases])])
    return store


def ok(client: httpx.Client, path: str) -> Any:
    reply = client.get(path)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_the_layer_that_measures_better_answers_and_says_so(filled: Store, serve: Serve) -> None:
    reply = ok(serve(), "/v1/users/42/churn")
    assert reply.pop("decision") == {
        "layer": "speed", "rule": "fidelity", "policy": "fidelity", "lag": 3, "bucket": "2-4",
        "rejected": [], "blend_gain": None, "sources": [],
        "batch_fidelity": {"value": -0.5, "standard_error": 0.01, "cases": 99, "borrowed": []},
        "speed_fidelity": {"value": -0.4, "standard_error": 0.01, "cases": 99, "borrowed": []},
        "sentence": "speed: its measured minus log-loss at lag 2-4 is -0.4 ± 0.01 against batch's -0.5 ± 0.01",
    }  # fmt: skip
    assert reply == {
        "use_case": "churn", "entity": "u:42", "value": VALUES["churn"], "layer": "speed", "model": "m",
        "model_version": 2, "as_of": rfc3339(NOW - HOUR), "age_seconds": 3600.0, "generation": 2, "evidence": 13,
    }  # fmt: skip


def test_recommendations_carry_names_and_stop_at_n(filled: Store, serve: Serve) -> None:
    client = serve()
    reply = ok(client, "/v1/users/42/recommendations")
    assert (reply["layer"], reply["age_seconds"]) == ("batch", 5 * 3600.0)
    assert reply["value"]["items"] == [
        {"title_id": "b", "name": "The B", "score": 0.9},
        {"title_id": "zz", "name": None, "score": 0.5},
        {"title_id": "a", "name": "The A", "score": 0.1},
    ]
    assert reply["value"]["next"] == {
        "after": {"title_id": "c", "name": "The C"},
        "items": [{"title_id": "b", "name": "The B"}],
    }
    assert len(ok(client, "/v1/users/42/recommendations?n=1")["value"]["items"]) == 1


def test_segment_and_sentiment(filled: Store, serve: Serve) -> None:
    client = serve()
    segment, sentiment = ok(client, "/v1/users/42/segment"), ok(client, "/v1/titles/a/sentiment")
    assert (segment["value"], segment["decision"]["rule"]) == (VALUES["segment"], "newer")
    assert (sentiment["value"], sentiment["layer"]) == (VALUES["sentiment"], "speed")


def test_of_a_record_of_the_release_before_what_it_lacks_is_null(filled: Store, serve: Serve) -> None:
    share = {name: VALUES["sentiment"][name] for name in ("positive", "low", "high", "posts")}
    filled.redis.hset("la:{t:a}:s", "sentiment", encode(record("sentiment", "t:a", "speed", value=share)))
    reply = ok(serve(), "/v1/titles/a/sentiment")
    assert (reply["value"], reply["layer"]) == (share | UNTOLD, "speed")


def test_layers_shows_what_is_stored_beside_the_answers(filled: Store, serve: Serve) -> None:
    filled.redis.hset("la:{u:42}:s", "segment", b'{"schema": 9}')
    filled.redis.hset("la:{u:42}:g:2", "segment", b"broken")
    use_cases = ok(serve(), "/v1/users/42/layers")["use_cases"]
    assert list(use_cases) == ["recommend", "segment", "churn"]
    assert use_cases["recommend"]["batch"] == msgspec.to_builtins(record("recommend", "u:42", "batch"))
    assert use_cases["churn"]["answer"]["layer"] == "speed"
    segment = use_cases["segment"]
    assert (segment["batch"], segment["speed"]) == ({"unreadable": "broken"}, {"schema": 9})
    assert segment["answer"]["decision"]["rejected"] == [
        {"layer": "batch", "reason": "unreadable"},
        {"layer": "speed", "reason": "unknown_schema"},
    ]


def test_nobody_gets_an_empty_answer_or_a_404(filled: Store, serve: Serve) -> None:
    client = serve()
    replies = [ok(client, path) for path in ALL if not path.endswith("layers")]
    assert {reply["layer"] for reply in replies} == {"fallback"}
    titles = [item["title_id"] for item in replies[0]["value"]["items"]]
    assert (titles, replies[0]["model"]) == (["c", "a", "b", "d", "e"], "popular")
    assert (replies[1]["value"]["name"], replies[2]["value"]["probability"]) == ("regular", 0.27)
    assert replies[3]["value"] == {"positive": 0.6, "low": 0.0, "high": 1.0, "posts": 0, **UNTOLD}
    assert (replies[0]["as_of"], replies[0]["age_seconds"]) == (rfc3339(HORIZON), 5 * 3600.0)


def test_who_has_only_a_segment_gets_what_is_popular_there(filled: Store, serve: Serve) -> None:
    reply = ok(serve(), "/v1/users/7/recommendations?n=2")
    assert [item["title_id"] for item in reply["value"]["items"]] == ["d", "c"]
    assert reply["model"] == "popular in segment"


def test_an_expired_segment_is_still_one(filled: Store, serve: Serve) -> None:
    filled.advance_clock(NOW + 9000 * HOUR)
    client = serve()
    assert ok(client, "/v1/users/7/segment")["decision"]["rejected"] == [{"layer": "batch", "reason": "expired"}]
    assert ok(client, "/v1/users/7/recommendations")["model"] == "popular in segment"


@pytest.mark.parametrize(
    "identity", ["a/b", "a%2Fb", "%F0%9F%8E%AC", "a b", "{x}", "..%2F..", "segment", "x" * 128, "a%0Ab"]
)
def test_an_id_may_be_any_text(filled: Store, serve: Serve, identity: str) -> None:
    assert ok(serve(), f"/v1/users/{identity}/segment")["layer"] == "fallback"


def test_an_id_may_end_as_the_address_of_any_question_does(filled: Store, serve: Serve) -> None:
    client = serve()
    addresses = ok(client, "/openapi.json")["paths"]
    questions = {path.rpartition("/")[2] for path in addresses if path.startswith("/v1/users/{user_id}/")}
    assert {"recommendations", "churn", "export"} < questions
    for question in questions:
        for end in questions:
            reply = ok(client, f"/v1/users/a%2F{end}/{question}")
            assert f"a/{end}" in (reply.get("entity", "").removeprefix("u:"), reply.get("user_id"))


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/users/{'x' * 129}/churn",
        "/v1/users//churn",
        "/v1/users/42/recommendations?n=0",
        "/v1/users/42/recommendations?n=101",
        "/v1/users/42/recommendations?n=many",
    ],
)
def test_what_is_out_of_bounds_is_a_422_problem(filled: Store, serve: Serve, path: str) -> None:
    problem(serve().get(path), 422)


def problem(reply: httpx.Response, status: int) -> str:
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")
    body = reply.json()
    assert (body["status"], set(body)) == (status, {"type", "title", "status", "detail"})
    return str(body["detail"])


def test_other_addresses_and_methods_are_problems_too(filled: Store, serve: Serve) -> None:
    client = serve()
    assert "/openapi.json" in problem(client.get("/v1/nothing"), 404)
    problem(client.post("/v1/users/42/churn"), 405)


def test_without_a_generation_answers_say_so(store: Store, serve: Serve) -> None:
    client = serve()
    reply = ok(client, "/v1/users/42/recommendations")
    assert reply["value"] == {"items": [], "next": None}
    assert reply["decision"]["rejected"] == [{"layer": None, "reason": "no_generation"}]
    assert (reply["as_of"], reply["age_seconds"], reply["generation"]) == (None, None, 0)
    assert ok(client, "/v1/titles/x/sentiment")["value"]["posts"] == 0
    assert ok(client, "/v1/users/42/churn")["value"]["probability"] is None
    ready = client.get("/ready")
    assert ready.status_code == 503
    assert "no generation" in ready.json()["reasons"][0]


def test_a_generation_without_its_models_is_not_ready_but_answers(store: Store, serve: Serve) -> None:
    store.flip(2, HORIZON)
    store.publish(2, [("u:42", {"churn": encode(record("churn", "u:42", "batch"))})])
    client = serve()
    assert ok(client, "/v1/users/42/churn")["layer"] == "batch"
    assert ok(client, "/v1/users/1/churn")["decision"]["rejected"] == [{"layer": None, "reason": "no_models"}]
    assert "models of generation 2 are gone" in client.get("/ready").json()["reasons"][0]


def test_ready_when_everything_is_there(filled: Store, serve: Serve) -> None:
    client = serve()
    assert ok(client, "/ready") == {"status": "ready", "reasons": [], "faults": []}
    assert ok(client, "/health")["status"] == "alive"


def test_a_flip_is_followed_and_a_rollback_too(filled: Store, small_models: Models, serve: Serve) -> None:
    client = serve()
    assert ok(client, "/v1/users/1/churn")["value"]["probability"] == 0.27
    assert small_models.churn is not None
    newer = msgspec.structs.replace(small_models.churn, base_rate=0.5)
    filled.put_models(msgspec.structs.replace(small_models, generation=3, churn=newer), FIDELITY)
    filled.flip(3, HORIZON)
    assert ok(client, "/ready")["status"] == "ready"
    assert ok(client, "/v1/users/1/churn")["value"]["probability"] == 0.5
    assert filled.roll_back(filled.generations())
    assert ok(client, "/ready")["status"] == "ready"
    assert ok(client, "/v1/users/1/churn")["value"]["probability"] == 0.27


def test_answers_follow_a_flip_by_themselves(filled: Store, small_models: Models, serve: Serve) -> None:
    client = serve()
    assert ok(client, "/v1/users/1/churn")["generation"] == 2
    filled.put_models(msgspec.structs.replace(small_models, generation=3), FIDELITY)
    filled.flip(3, HORIZON)
    wait_for(lambda: ok(client, "/v1/users/1/churn")["generation"] == 3)


def test_while_a_new_generation_is_loaded_the_one_in_memory_answers(
    filled: Store, small_models: Models, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, at_it, may_go_on, models = serve(), threading.Event(), threading.Event(), AsyncStore.models

    async def slow(self: AsyncStore, generation: int) -> Models | None:
        at_it.set()
        await asyncio.to_thread(may_go_on.wait, 20)
        return await models(self, generation)

    assert ok(client, "/v1/users/1/churn")["generation"] == 2
    monkeypatch.setattr(AsyncStore, "models", slow)
    filled.put_models(msgspec.structs.replace(small_models, generation=3), FIDELITY)
    filled.flip(3, HORIZON)
    told = [ok(client, "/v1/users/1/churn")["generation"] for _ in range(3)]
    assert (at_it.is_set(), told, may_go_on.is_set()) == (True, [2, 2, 2], False)
    may_go_on.set()
    wait_for(lambda: ok(client, "/v1/users/1/churn")["generation"] == 3)


def test_a_new_generation_that_cannot_be_read_leaves_the_old_one_answering(filled: Store, serve: Serve) -> None:
    client = serve()
    ok(client, "/ready")
    filled.redis.set("la:model:3", msgspec.msgpack.encode({"schema": 9}), ex=60)
    filled.flip(3, HORIZON + HOUR)
    assert ok(client, "/v1/users/1/churn")["value"]["probability"] == 0.27
    reply = client.get("/ready")
    assert (reply.status_code, "schema 9" in reply.json()["reasons"][0]) == (503, True)


def test_while_the_store_is_away_the_models_in_memory_answer_and_a_restarted_one_is_found(
    filled: Store, server: StoreServer, serve: Serve
) -> None:
    client = serve()
    assert ok(client, "/v1/users/42/churn")["layer"] == "speed"
    server.stop()
    for path, value in (("churn", {"probability": 0.27}), ("segment", {"name": "regular"})):
        reply = ok(client, f"/v1/users/42/{path}")
        assert (reply["layer"], reply["value"] | value, reply["generation"]) == ("fallback", reply["value"], 2)
        assert reply["decision"]["rejected"] == [{"layer": None, "reason": "store_away"}]
        assert "the store does not answer" in reply["decision"]["sentence"]
    assert len(ok(client, "/v1/users/42/recommendations")["value"]["items"]) == 5
    assert ok(client, "/v1/titles/a/sentiment")["value"]["posts"] == 0
    assert ok(client, "/v1/users/42/layers")["use_cases"]["churn"]["batch"] is None
    ready = client.get("/ready")
    assert (ready.status_code, "lambda-arch up" in ready.json()["reasons"][0]) == (503, True)
    server.start()
    filled.flip(2, HORIZON)
    filled.publish(2, [("u:42", {"churn": encode(record("churn", "u:42", "batch"))})])
    wait_for(lambda: ok(client, "/v1/users/42/churn")["layer"] == "batch")


def test_without_models_in_memory_a_store_that_is_away_is_a_503(
    filled: Store, server: StoreServer, serve: Serve
) -> None:
    client = serve()
    server.stop()
    for path in ALL:
        asked = time.monotonic()
        reply = client.get(path)
        detail = problem(reply, 503)
        assert f"127.0.0.1:{server.port}" in detail
        assert "lambda-arch up" in detail
        assert "Traceback" not in reply.text
        assert (reply.headers["retry-after"], time.monotonic() - asked < 3) == ("5", True)
    assert client.get("/ready").status_code == 503
    assert ok(client, "/health")["status"] == "alive"
    server.start()
    wait_for(lambda: client.get("/v1/users/42/churn").status_code == 200)
    assert ok(client, "/v1/users/42/churn")["decision"]["rejected"] == [{"layer": None, "reason": "no_generation"}]


def test_metrics_count_decisions_and_time_routes_by_pattern(filled: Store, serve: Serve) -> None:
    client = serve()
    filled.publish(2, [("u:8", {"churn": b"no record"})])
    for user in ("42", "42", "8"):
        ok(client, f"/v1/users/{user}/churn")
    client.get("/nothing")
    text = client.get("/metrics").text
    assert 'lambda_arch_decisions_total{layer="speed",rule="fidelity",use_case="churn"} 2.0' in text
    assert 'lambda_arch_decisions_total{layer="fallback",rule="fallback",use_case="churn"} 1.0' in text
    assert 'lambda_arch_rejections_total{layer="batch",reason="unreadable",use_case="churn"} 1.0' in text
    assert 'lambda_arch_request_seconds_count{route="/v1/users/{user_id}/churn"} 3.0' in text
    assert 'lambda_arch_request_seconds_count{route="none"} 1.0' in text


def test_openapi_types_every_answer(serve: Serve) -> None:
    api = ok(serve(), "/openapi.json")
    assert set(api["paths"]) >= {
        "/v1/users/{user_id}/recommendations", "/v1/users/{user_id}/segment", "/v1/users/{user_id}/churn",
        "/v1/users/{user_id}/layers", "/v1/users/{user_id}/explain", "/v1/sessions/recommendations",
        "/v1/titles/{title_id}/similar", "/v1/titles/{title_id}/explain",
        "/v1/titles/{title_id}/sentiment", "/v1/live", "/v1/trending", "/v1/agreement",
        "/v1/agreement/{generation}", "/v1/experiments", "/v1/hit-rate", "/health", "/ready", "/metrics",
    }  # fmt: skip
    churn = api["paths"]["/v1/users/{user_id}/churn"]["get"]["responses"]
    assert churn["200"]["content"]["application/json"]["schema"]["$ref"].endswith("AnswerReply_Churn_")
    assert set(churn["422"]["content"]) == set(churn["503"]["content"]) == {"application/problem+json"}


@pytest.mark.parametrize(
    ("reply", "path"),
    [
        pytest.param(RecommendationsReply, "/v1/users/{user_id}/recommendations", id="recommendations"),
        pytest.param(SegmentReply, "/v1/users/{user_id}/segment", id="a segment"),
        pytest.param(ChurnReply, "/v1/users/{user_id}/churn", id="churn"),
        pytest.param(EntityReply, "/v1/users/{user_id}/layers", id="both layers"),
        pytest.param(SentimentReply, "/v1/titles/{title_id}/sentiment", id="sentiment"),
    ],
)
def test_what_is_sent_is_what_is_documented(filled: Store, serve: Serve, reply: type[BaseModel], path: str) -> None:
    """No model stands between an answer and the wire, so that each kind of answer is held to its model here."""
    client = serve()
    documented = ok(client, "/openapi.json")["paths"][path]["get"]["responses"]["200"]
    schema = documented["content"]["application/json"]["schema"]["$ref"]
    assert re.sub(r"\W", "_", reply.__name__) == schema.rpartition("/")[2]
    for identity in ("42", "a", "7", "nobody"):
        sent = client.get(path.format(user_id=identity, title_id=identity))
        # What is there only where it was asked for need not be there.
        read = reply.model_validate_json(sent.content, strict=True)
        assert read.model_dump(mode="json", exclude_unset=True) == sent.json()


def test_the_direct_way_gives_what_the_usual_way_gives(filled: Store, serve: Serve) -> None:
    """Whatever has parameters goes the usual way: here they say what is so anyway."""
    client = serve()
    plain = {"recommendations": "?n=10", "segment": "?plain=", "churn": "?plain=", "sentiment": "?plain="}
    identities = ["42", "a", "7", "nobody", "a/segment", "%0A", "%F0%9F%8E%AC", "x" * 129, ""]
    for path in (path for path in ALL if not path.endswith("layers")):
        for identity in identities:
            asked = path.replace("/x/", f"/{identity}/")
            direct, usual = client.get(asked), client.get(asked + plain[path.rpartition("/")[2]])
            assert (direct.status_code, direct.json()) == (usual.status_code, usual.json())
            assert set(direct.headers) == set(usual.headers)
    timed = re.findall(r'request_seconds_count\{route="/v1/(.*)"\} (.*)', client.get("/metrics").text)
    # No id at all matches no route; of too long an id both ways are one.
    assert {seconds for _, seconds in timed} == {"18.0"}


@pytest.mark.parametrize("name", ["uvicorn", "granian"])
def test_either_server_serves_the_same(filled: Store, server: StoreServer, tmp_path: Path, name: str) -> None:
    [port] = free_ports(1)
    settings = {"STORE__URL": server.url, "CLOCK": "event", "SERVING__PORT": str(port), "SERVING__SERVER": name}
    environment = os.environ | {f"LAMBDA_ARCH__{key}": value for key, value in settings.items()}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "jobs.run_api"], env=environment, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            wait_for(lambda: answers(client, "/ready"), 60)
            assert ok(client, "/v1/users/42/churn")["layer"] == "speed"
            assert client.get("/v1/users//churn").status_code == 422
    finally:
        process.terminate()
        assert process.wait(30) in (0, -signal.SIGTERM)


def answers(client: httpx.Client, path: str) -> bool:
    try:
        return client.get(path).status_code == 200
    except httpx.TransportError:
        return False


def test_the_page_needs_nothing_from_elsewhere(serve: Serve) -> None:
    reply = serve().get("/")
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert "http://" not in reply.text
    assert "https://" not in reply.text


def test_an_address_beyond_this_machine_is_refused(config: Config) -> None:
    open_to_all = config.serving.model_copy(update={"host": "0.0.0.0"})
    with pytest.raises(ConfigError, match=r"serving\.host 0\.0\.0\.0"):
        run(config.model_copy(update={"serving": open_to_all}))


def ask_console(server: StoreServer, *arguments: str) -> Result:
    environment = {"LAMBDA_ARCH__STORE__URL": server.url, "LAMBDA_ARCH__CLOCK": "event", "COLUMNS": "120"}
    return CliRunner().invoke(console, ["predict", *arguments], env=environment)


def test_the_console_gives_what_the_api_gives(filled: Store, server: StoreServer, serve: Serve) -> None:
    printed = ask_console(server, "user", "42", "--json")
    assert json.loads(printed.stdout) == ok(serve(), "/v1/users/42/layers")


def test_the_console_shows_both_layers_and_the_reason(filled: Store, server: StoreServer) -> None:
    shown = ask_console(server, "user", "42").stdout
    assert "its measured minus log-loss at lag 2-4 is -0.4 ± 0.01 against batch's -0.5 ± 0.01" in shown
    for text in ("b The B", "0.31", "casual", "3600 s", "2016-01-02T04"):
        assert text in shown


def test_the_console_knows_titles(filled: Store, server: StoreServer) -> None:
    shown = ask_console(server, "title", "a").stdout
    for text in ("0.75", "direction steady", "week share 0.7, low", "day [4, 3]"):
        assert text in shown


def test_the_console_names_a_store_that_is_away(server: StoreServer) -> None:
    [port], arguments = free_ports(1), ["predict", "user", "42"]
    found = CliRunner().invoke(console, arguments, env={"LAMBDA_ARCH__STORE__URL": f"redis://127.0.0.1:{port}"})
    assert isinstance(found.exception, StoreError)
