"""The client for other applications: each address of the description has a method, and each method holds to it."""

from __future__ import annotations

import inspect
import json
import re
import runpy
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, NotRequired, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict
from urllib.parse import parse_qs

import msgspec
import pytest
from filled_store import fill
from served import served
from speed_stack import FETCHED, messages, speed_config
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from audience_client import ApiError, AudienceClient, Rows, UnreachableError
from audience_client.wishes import Event, Post, Watched
from deploy import servers
from lambda_arch.clock import rfc3339, wall_now
from lambda_arch.config import Config, load_config
from lambda_arch.contract import EVENT_FIELDS, POST_FIELDS
from lambda_arch.models import Models
from lambda_arch.store import Store
from lambda_arch.tiles import EVENT_TYPES
from serving.app import create_app
from serving.rows import MemberRow, RiskRow

pytestmark = pytest.mark.servers
ROOT = Path(__file__).parents[2]
LIKE = {"n": 2, "offset": 0, "include": ["a", "b", "c"], "exclude": ["c"], "genre": ["drama", "x"], "max_rating": "18",
        "country": "DE", "placement": "home"}  # fmt: skip
WISH = {**LIKE, "diversity": 0.5, "seen": True, "explain": True, "new": 2}
COSTS = {"false_positive": 1.0, "false_negative": 2.0}
TIME = rfc3339(wall_now())
EVENT = {"event_id": "e1", "event_type": "view", "user_id": "42", "title_id": "a", "event_time": TIME, "value": 0.9,
         "properties": {}}  # fmt: skip
POST = {"post_id": "p1", "text": "good", "event_time": TIME, "title_id": "a", "title": "A", "author_id": "x",
        "source": "s", "language": "en"}  # fmt: skip
# An operation, the method that asks it, and a call with everything that it can be told.
CALLS: list[tuple[str, str, tuple[Any, ...], dict[str, Any]]] = [
    ("get /v1/users/{user_id}/recommendations", "recommendations", ("42",), WISH),
    ("get /v1/users/{user_id}/segment", "segment", ("42",), {}),
    ("get /v1/users/{user_id}/churn", "churn", ("42",), {"cutoff": 0.3}),
    ("get /v1/users/{user_id}/churn", "churn", ("42",), COSTS),
    ("get /v1/users/{user_id}/layers", "layers", ("a/b %\n🎬",), {}),
    ("get /v1/users/{user_id}/explain", "explain_user", ("42",), {"n": 3, "text": "good"}),
    ("get /v1/titles/{title_id}/sentiment", "sentiment", ("a",), {}),
    ("get /v1/titles/{title_id}/similar", "similar", ("a",), LIKE),
    ("get /v1/titles/{title_id}/explain", "explain_title", ("a",), {"text": "good"}),
    ("get /v1/trending", "trending", (), {"n": 3, "hours": 24.0, "direction": "rising"}),
    ("get /v1/segments", "segments", (), {}),
    ("get /v1/segments/{segment}/members", "members", (0,), {}),
    ("get /v1/churn/curve", "churn_curve", (), COSTS),
    ("get /v1/churn/at-risk", "at_risk", (), {"n": 5, "offset": 1, "segment": 0, "cutoff": 0.5}),
    ("get /v1/churn/at-risk", "at_risk", (), {"cursor": "Wy0wLjksInVzZXItMDAxIiwiYmF0Y2giXQ==", **COSTS}),
    ("get /v1/churn/at-risk", "all_at_risk", (), {"segment": 0, "cutoff": 0.5}),
    ("get /v1/agreement", "agreements", (), {"n": 3}),
    ("get /v1/agreement/{generation}", "agreement", (2,), {}),
    ("get /v1/experiments", "experiments", (), {}),
    ("get /v1/hit-rate", "hit_rates", (), {}),
    ("get /v1/generations", "generations", (), {}),
    ("get /v1/generations/{number}", "generation", (2,), {}),
    ("get /v1/fidelity", "fidelity", (), {}),
    ("get /v1/quarantine", "quarantine", (), {"look": 3, "reason": "not_json", "samples": 2}),
    ("post /v1/sessions/recommendations", "session_recommendations",
     (["a", {"title_id": "b", "strength": 0.5}],), WISH),
    ("post /v1/predictions", "predictions", (["42"], ["a"]), {"use_cases": ["recommend", "churn"], "n": 3}),
    ("post /v1/events", "post_events", ([EVENT],), {"partial": True}),
    ("post /v1/posts", "post_posts", ([POST],), {"partial": True}),
    ("post /v1/generations/rollback", "roll_back", (), {"to": 1}),
]  # fmt: skip
NO_METHOD = {
    "get /v1/live": "server-sent events, which the console draws",
    "get /v1/users/{user_id}/export": "an operator's, for whom the command has the lake's part too",
    "delete /v1/users/{user_id}": "an operator's, for there is no way back",
}
NOT_TOLD = {"if-none-match": "the client keeps no answers", "format": "a method for each"}


Asked = list[tuple[str, str, str, bytearray]]


class Noted:
    """ASGI middleware: what was asked, one (method, raw path, query, body) after the other."""

    def __init__(self, app: ASGIApp, asked: Asked) -> None:
        self._app, self._asked = app, asked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = bytearray()
        self._asked.append((scope["method"].lower(), scope["raw_path"].decode(), scope["query_string"].decode(), body))

        async def heard() -> Message:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        await self._app(scope, heard, send)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    """A real broker and a real store; the rules have one placement."""
    plain = speed_config(tmp_path_factory.mktemp("client") / "var")
    with servers.running(plain, ["kafka", "store"], jars=FETCHED if FETCHED.is_dir() else None):
        rules = plain.paths.var / "rules.yaml"
        rules.write_text("placements: {home: {}}\n", encoding="utf-8")
        serving = plain.serving.model_copy(update={"rules": rules})
        yield plain.model_copy(update={"clock": "event", "serving": serving})


@pytest.fixture(scope="module")
def asked() -> Asked:
    return []


@pytest.fixture(scope="module")
def url(config: Config, asked: Asked) -> Iterator[str]:
    with served(config, lambda app: Noted(app, asked)) as http:
        yield str(http.base_url).rstrip("/")


@pytest.fixture
def client(url: str, config: Config, small_models: Models) -> Iterator[AudienceClient]:
    """The store has something for every address, anew for each test."""
    store = Store(config.store.url, 1)
    store.redis.flushall()
    fill(store, small_models)
    store.redis.close()
    with AudienceClient(url) as client:
        yield client


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(load_config({})).openapi()


def operation(document: dict[str, Any], named: str) -> dict[str, Any]:
    method, path = named.split()
    found: dict[str, Any] = document["paths"][path][method]
    return found


def test_every_operation_has_a_method_or_a_reason_to_have_none(document: dict[str, Any]) -> None:
    documented = {f"{method} {path}" for path, of in document["paths"].items() for method in of}
    assert {one for one in documented if " /v1/" in one} == {row[0] for row in CALLS} | set(NO_METHOD)
    public = {name for name, _ in inspect.getmembers(AudienceClient, inspect.isfunction) if not name.startswith("_")}
    assert public - {"close"} == {row[1] for row in CALLS}


@pytest.mark.parametrize("named", sorted({row[0] for row in CALLS}))
def test_what_an_operation_can_be_told_is_told(
    named: str, document: dict[str, Any], client: AudienceClient, asked: Asked
) -> None:
    told, method, path = set[str](), *named.split()
    address = re.compile(re.sub(r"\{\w+\}", "[^/]+", path))
    for _, name, given, options in [row for row in CALLS if row[0] == named]:
        found = getattr(client, name)(*given, **options)
        assert list(found) if isinstance(found, Rows) else found is not None
        sent, raw_path, query, body = asked[-1]
        assert (sent, bool(address.fullmatch(raw_path))) == (method, True)
        told |= set(parse_qs(query, strict_parsing=True)) if query else set()
        assert not body or fields_of(body) <= known_fields(document, named)
    documented = {one["name"] for one in operation(document, named).get("parameters", []) if one["in"] != "path"}
    assert told <= documented
    assert documented - told <= set(NOT_TOLD)


def fields_of(body: bytearray) -> set[str]:
    sent = json.loads(body)
    return set(sent[0] if isinstance(sent, list) else sent)


def known_fields(document: dict[str, Any], named: str) -> set[str]:
    if named in ("post /v1/events", "post /v1/posts"):
        return set(EVENT_FIELDS if "events" in named else POST_FIELDS)
    schema = operation(document, named)["requestBody"]["content"]["application/json"]["schema"]
    return set(resolved(schema, document["components"]["schemas"])["properties"])


# A type and a schema as the same plain thing: ("fields", {name: (required, kind)}), ("list", kind), ("map", kind), …


def resolved(schema: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    return known[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema


def of_schema(schema: dict[str, Any], known: dict[str, Any]) -> Any:
    schema = resolved(schema, known)
    if "anyOf" in schema:
        return frozenset().union(*(several(of_schema(one, known)) for one in schema["anyOf"]))
    if "enum" in schema:
        return frozenset(schema["enum"])
    kind = schema["type"]
    if kind == "array":
        kinds = {of_schema(one, known) for one in schema.get("prefixItems", [schema.get("items")])}
        assert len(kinds) == 1
        return ("list", *kinds)
    return of_object(schema, known) if kind == "object" else kind


def of_object(schema: dict[str, Any], known: dict[str, Any]) -> Any:
    if "properties" not in schema:
        values = schema.get("additionalProperties")
        return ("map", of_schema(values, known) if isinstance(values, dict) else "anything")
    required = schema.get("required", [])
    return ("fields", frozenset(
        (name, name in required, of_schema(one, known)) for name, one in schema["properties"].items()
    ))  # fmt: skip


PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null", Any: "anything"}


def of_type(hint: Any, given: dict[Any, Any] | None = None) -> Any:
    hint = (given or {}).get(hint, hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return frozenset().union(*(several(of_type(one, given)) for one in arguments))
    if origin is Literal:
        return frozenset(arguments)
    if origin is list:
        return ("list", of_type(arguments[0], given))
    if origin is dict:
        return ("map", of_type(arguments[1], given))
    if is_typeddict(origin or hint):
        known = dict(zip(getattr(origin, "__parameters__", ()), arguments, strict=True))
        return of_typed_dict(origin or hint, known)
    return PLAIN[hint]


def of_typed_dict(kind: Any, given: dict[TypeVar, Any]) -> Any:
    hints = get_type_hints(kind, include_extras=True).items()
    return ("fields", frozenset(
        (name, get_origin(hint) is not NotRequired,
         of_type(get_args(hint)[0] if get_origin(hint) is NotRequired else hint, given))
        for name, hint in hints
    ))  # fmt: skip


def several(kind: Any) -> frozenset[Any]:
    return kind if isinstance(kind, frozenset) else frozenset([kind])


@pytest.mark.parametrize(("named", "name"), sorted({row[:2] for row in CALLS}))
def test_what_a_method_returns_is_what_is_documented(named: str, name: str, document: dict[str, Any]) -> None:
    returned = get_type_hints(getattr(AudienceClient, name))["return"]
    if get_origin(returned) is Rows:
        written = msgspec.json.schema_components([MemberRow if name == "members" else RiskRow])
        (schema,), known = written
        assert of_type(get_args(returned)[0]) == of_schema(schema, known)
        return
    replies = operation(document, named)["responses"]
    schema = replies["202" if "202" in replies else "200"]["content"]["application/json"]["schema"]
    assert of_type(returned) == of_schema(schema, document["components"]["schemas"])


def test_a_difference_of_a_single_field_is_seen(document: dict[str, Any]) -> None:
    # The comparison above would be worth nothing if it found everything equal.
    known = json.loads(json.dumps(document["components"]["schemas"]))
    before = of_schema(known["AtRiskReply"], known)
    known["AtRisk"]["properties"]["layer"] = {"type": "integer"}
    assert of_schema(known["AtRiskReply"], known) != before


def test_what_is_handed_in_has_the_contract_s_fields() -> None:
    assert sorted(get_type_hints(Event)) == sorted(EVENT_FIELDS)
    assert sorted(get_type_hints(Post)) == sorted(POST_FIELDS)
    assert get_args(get_type_hints(Event)["event_type"]) == tuple(EVENT_TYPES)
    assert sorted(get_type_hints(Watched)) == ["strength", "title_id"]


def test_a_file_is_read_to_its_end_or_left(client: AudienceClient) -> None:
    with client.members(0) as rows:
        assert (rows.generation, next(rows)["segment"]) == (2, 0)
    names = [row["user_id"] for row in client.members(0)]
    assert names == [f"user-{number:03}" for number in range(100)]


def test_a_problem_says_what_is_wrong(client: AudienceClient) -> None:
    with pytest.raises(ApiError, match="404 Not Found: segment 2: no such segment") as unknown:
        client.members(2)
    assert (unknown.value.status, unknown.value.title) == (404, "Not Found")
    with pytest.raises(ApiError, match="max_rating") as refused:
        client.recommendations("42", max_rating="X")
    assert refused.value.status == 422
    with pytest.raises(ApiError) as invalid:
        client.post_events([{**EVENT, "value": 2}])  # type: ignore[typeddict-item]
    assert invalid.value.more["records"][0]["reason"] == "out_of_range:value"
    assert client.segment("42")["layer"] == "speed"  # the connection goes on


@contextmanager
def scripted(replies: list[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """A service that replies so to one connection after the other, however it is asked, then closes it."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for reply in replies:
                connection, _ = listening.accept()
                with connection:
                    heard.append(connection.recv(65536))
                    connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", heard
        thread.join(10)
    assert not thread.is_alive()


AWAY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 2\r\n\r\n{}"
FOR_LONG = AWAY.replace(b"Retry-After: 0", b"Retry-After: 60")
FOR_GOOD = AWAY.replace(b"Retry-After: 0\r\n", b"")
DONE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize(
    ("replies", "ask", "status"),
    [
        pytest.param([AWAY, AWAY, DONE], lambda c: c.segments(), None, id="a reading is repeated when it is told to"),
        pytest.param([AWAY, DONE], lambda c: c.post_events([EVENT]), None, id="events have ids: so are they"),
        pytest.param([AWAY], lambda c: c.roll_back(), 503, id="a rollback is not"),
        pytest.param([FOR_LONG], lambda c: c.segments(), 503, id="not beyond the patience"),
        pytest.param([FOR_GOOD], lambda c: c.segments(), 503, id="not where nobody says when"),
    ],
)
def test_repeated_is_what_may_be_when_the_service_says_so(
    replies: list[bytes], ask: Callable[[AudienceClient], Any], status: int | None
) -> None:
    with scripted(replies) as (url, heard), AudienceClient(url, "la_key") as client:
        if status is None:
            ask(client)
        else:
            with pytest.raises(ApiError) as error:
                ask(client)
            assert error.value.status == status
    assert len(heard) == len(replies)
    assert all(b"Authorization: Bearer la_key\r\n" in request for request in heard)


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        pytest.param(b"", "RemoteDisconnected", id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "IncompleteRead", id="too little"),
        pytest.param(b"?\r\n\r\n", "BadStatusLine", id="no HTTP"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n<p>", "3 bytes of no JSON", id="a page"),
    ],
)
def test_what_is_no_whole_answer_is_none(reply: bytes, told: str) -> None:
    with scripted([reply]) as (url, _), AudienceClient(url) as client, pytest.raises(UnreachableError, match=told):
        client.segments()


def test_a_file_that_breaks_off_is_no_whole_answer() -> None:
    head = b"HTTP/1.1 200 OK\r\nGeneration: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
    with scripted([head + b'a\r\n{"a": 1}\n\n\r\n']) as (url, _), AudienceClient(url) as client:
        rows = client.members(0)
        with pytest.raises(UnreachableError, match="broke off"):
            list(rows)


def test_who_does_not_answer_in_time_or_is_not_there_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with (
            AudienceClient(url, timeout=0.1) as client,
            pytest.raises(UnreachableError, match="segments: TimeoutErr"),
        ):
            client.segments()
    with AudienceClient(url) as client, pytest.raises(UnreachableError, match="refused"):
        client.segments()
    with pytest.raises(ValueError, match="want http://HOST:PORT"):
        AudienceClient("localhost:18080")


def test_a_page_of_a_proxy_is_a_problem_too() -> None:
    page = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 9\r\nConnection: close\r\n\r\n<p>sorry<"
    with scripted([page]) as (url, _), AudienceClient(url + "/api/") as client, pytest.raises(ApiError) as error:
        client.segments()
    assert (error.value.status, error.value.title) == (502, "Bad Gateway")


def test_a_connection_that_was_closed_while_it_was_idle_is_opened_anew() -> None:
    with scripted([DONE, DONE, DONE]) as (url, heard), AudienceClient(url) as client:
        for _ in range(3):
            client.segments()
    assert len(heard) == 3


def test_it_loads_nothing_but_python_s_own() -> None:
    code = "import sys, audience_client; print(*{n.partition('.')[0] for n in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"fastapi", "pydantic", "httpx", "msgspec", "lambda_arch", "serving"}.isdisjoint(loaded.stdout.split())


def test_the_example_of_the_document_runs(
    client: AudienceClient, url: str, config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
    code, printed = re.findall(r"```(?:python|text)\n(.*?)```", text, re.DOTALL)
    program = tmp_path / "example.py"
    program.write_text(code.replace("http://127.0.0.1:18080", url), encoding="utf-8")
    runpy.run_path(str(program))
    assert capsys.readouterr().out == printed
    handed_in = [json.loads(message.value() or b"{}") for message in messages(config, config.kafka.topics.events)]
    assert "client-1" in {event["event_id"] for event in handed_in}
