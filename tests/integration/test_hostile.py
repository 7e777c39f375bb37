"""Whoever means ill, or is broken: a process that answers goes on, says what is wrong, and does not grow."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote

import pytest
from api_process import Api, api_process
from filled_store import fill
from served import wait_for
from store_server import StoreServer
from test_members import many

from lambda_arch.config import load_config
from lambda_arch.models import Models
from lambda_arch.store import Store

pytestmark = pytest.mark.servers
PROBLEM = "application/problem+json"
HEAD_SECONDS, BODY_SECONDS, READER_SECONDS = 0.7, 0.7, 1.5
POSTS = ("/v1/sessions/recommendations", "/v1/predictions", "/v1/events", "/v1/posts")
MEMBERS = 60_000
GROWTH = 20 << 20  # bytes


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, small_models: Models) -> Iterator[Api]:
    """A process with little patience over a real store, where segment 0 has many members; without a broker."""
    folder = tmp_path_factory.mktemp("hostile")
    server = StoreServer(folder)
    server.start()
    store = Store(server.url, 1)
    fill(store, small_models)
    many(store, server, MEMBERS)
    access = {"KEYS_FILE": str(folder / "keys.json"), "HEAD_SECONDS": HEAD_SECONDS, "BODY_SECONDS": BODY_SECONDS,
              "READER_SECONDS": READER_SECONDS}  # fmt: skip
    settings = {f"LAMBDA_ARCH__SERVING__ACCESS__{name}": str(value) for name, value in access.items()}
    config = load_config({
        **settings, "LAMBDA_ARCH__STORE__URL": server.url, "LAMBDA_ARCH__CLOCK": "event",
        "LAMBDA_ARCH__KAFKA__BOOTSTRAP": "127.0.0.1:1", "LAMBDA_ARCH__SERVING__DELIVERY_SECONDS": "0.2",
    })  # fmt: skip
    with api_process(config, folder) as running:
        yield running
    assert "Traceback" not in running.log.read_text()
    store.redis.close()
    server.stop()


def connected(api: Api) -> socket.socket:
    return socket.create_connection(("127.0.0.1", api.port), timeout=15)


def told(connection: socket.socket) -> bytes:
    """All that the service says until it closes the connection, as it must."""
    found = b""
    try:
        while piece := connection.recv(65536):
            found += piece
    except ConnectionResetError:
        pass
    return found


def status(reply: bytes) -> int:
    return int(reply.split(b" ", 2)[1]) if reply else 0


def sent(api: Api, *pieces: bytes, pause: float = 0.0) -> bytes:
    """What is said to bytes that are sent piece by piece."""
    with connected(api) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return told(connection)


def get(path: str, *headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: x", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def post(path: str, body: bytes, *headers: str) -> bytes:
    length = f"Content-Length: {len(body)}"
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Connection: close", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, length, "", ""]).encode() + body


PLANES = [chr((plane << 16) + point) for plane in range(17) for point in (0x61, 0xFFFD, 0xFFFF)]
ODD = [*PLANES, "\0", "\x7f", "\r\nX: y", " ", "..", "../..", "/", "a/b", "%", "%41", "?", "#", "\u202e", "e\u0301",
       "{x}", "*", "u:42", "\ufffd", "x" * 128, "🎬" * 128]  # fmt: skip


def test_an_id_of_any_characters_is_that_id_and_no_other(api: Api) -> None:
    for identity in ODD:
        for kind, question in (("users", "churn"), ("users", "recommendations?n=1"), ("titles", "sentiment")):
            reply = sent(api, get(f"/v1/{kind}/{quote(identity, safe='')}/{question}"))
            assert status(reply) == 200, (identity, reply)
            assert json.loads(reply.partition(b"\r\n\r\n")[2])["entity"] == f"{kind[0]}:{identity}"


def test_requests_that_are_sent_together_are_answered_in_their_order(api: Api) -> None:
    """Plain questions, which are answered where they come in, between others, which are not."""
    asked = [
        "users/42/churn",
        "users/42/churn?cutoff=0.5",
        "users/7/recommendations",
        "users/9/layers",
        "users/a/segment",
    ]
    lines = [f"GET /v1/{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for path in asked]
    replies = sent(api, *[b"".join(lines) + get("/v1/titles/a/sentiment")]).split(b"HTTP/1.1 ")[1:]
    bodies = [json.loads(reply.partition(b"\r\n\r\n")[2]) for reply in replies]
    assert [reply[:3] for reply in replies] == [b"200"] * 6
    assert [body.get("entity") for body in bodies] == ["u:42", "u:42", "u:7", "u:9", "u:a", "t:a"]
    assert [b"connection: close" in reply for reply in replies] == [False] * 5 + [True]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_who_wants_one_reply_has_it_whole_before_the_end(api: Api, version: str) -> None:
    asked = f"GET /v1/users/42/recommendations HTTP/{version}\r\nHost: x\r\nConnection: close\r\n\r\n"
    head, _, body = sent(api, asked.encode()).partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head
    assert json.loads(body)["entity"] == "u:42"


@pytest.mark.parametrize("given", ["x" * 129, "🎬" * 129, ""], ids=["129 letters", "129 others", "none"])
def test_an_id_that_is_too_long_or_none_is_refused(api: Api, given: str) -> None:
    reply = api.client.get(f"/v1/users/{quote(given, safe='')}/churn")
    assert (reply.status_code, reply.headers["content-type"]) == (422, PROBLEM)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param("%ED%A0%80", id="half of a surrogate pair"),
        pytest.param("%ED%A0%BD%ED%B8%80", id="a surrogate pair"),
        pytest.param("%C0%AF", id="a slash in two bytes"),
        pytest.param("%F4%90%80%80", id="beyond the last plane"),
        pytest.param("%FF", id="no byte of UTF-8"),
        pytest.param("a%80", id="a continuation of nothing"),
        pytest.param("%F0%9F%8E", id="too short"),
    ],
)
def test_bytes_that_are_no_text_are_taken_for_nobody(api: Api, given: str) -> None:
    for path in (f"/v1/users/{given}/churn", f"/v1/titles/a/explain?text={given}", f"/{given}"):
        reply = sent(api, get(path))
        assert status(reply) == 400
        assert b"that are no UTF-8" in reply


@pytest.mark.parametrize("given", ["%", "%4", "%zz", "%u0041", "a%"])
def test_a_percent_sign_that_encodes_nothing_is_itself(api: Api, given: str) -> None:
    reply = sent(api, get(f"/v1/users/{given}/churn"))
    assert status(reply) == 200
    assert json.loads(reply.partition(b"\r\n\r\n")[2])["entity"] == f"u:{given}"


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, id="TLS"),
        pytest.param(b"hello\r\n\r\n", 400, id="no HTTP"),
        pytest.param(b"GET / HTTP/9.9\r\n\r\n", 400, id="another version"),
        pytest.param(b"BREW / HTTP/1.1\r\n\r\n", 400, id="an unknown method"),
        pytest.param(b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 400, id="a proxy's method"),
        pytest.param(b"OPTIONS * HTTP/1.1\r\nConnection: close\r\n\r\n", 404, id="about the whole server"),
        pytest.param(b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400, id="an address of bytes"),
        pytest.param(b"GET / HTTP/1.1\r\nA\0b: c\r\n\r\n", 400, id="NUL in a name"),
        pytest.param(b"GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", 400, id="NUL in a value"),
        pytest.param(b"GET / HTTP/1.1\r\n: b\r\n\r\n", 400, id="a header without a name"),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, id="less than nothing"),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, id="two sizes"),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400, id="too many digits"),
        pytest.param(
            b"POST /v1/events HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
            id="a size and pieces",
        ),
        pytest.param(get("/health?" + "x" * 70_000), 414, id="a long address"),
        pytest.param(get("/health", "A: " + "x" * 150_000), 431, id="a long header"),
        pytest.param(get("/health", *(f"A{n}: {'x' * 100}" for n in range(1500))), 431, id="many headers"),
    ],
)  # fmt: skip
def test_what_is_no_request_is_told_so_and_the_connection_ended(api: Api, request_: bytes, expected: int) -> None:
    reply = sent(api, request_)
    head, _, body = reply.partition(b"\r\n\r\n")
    assert status(reply) == expected, reply
    assert PROBLEM.encode() in head
    assert b"nosniff" in head
    assert json.loads(body)["status"] == expected


def test_headers_without_end_are_refused_long_before_memory_is_full(api: Api) -> None:
    reply = sent(api, b"GET / HTTP/1.1\r\nA: ", *[b"x" * 16384] * 64, pause=0.001)
    assert status(reply) in (0, 431)
    assert status(sent(api, get("/health"))) == 200


DEEP = b"[" * 50_000
BODIES: list[Any] = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"\0" * 100, id="NULs"),
    pytest.param(b"\xff\xfe[\0]\0", id="UTF-16"),
    pytest.param(b"\xef\xbb\xbf{}", id="a byte order mark"),
    pytest.param(DEEP, id="nested without end"),
    pytest.param(b'{"titles":' * 50_000, id="objects without end"),
    pytest.param(b'{"titles":' + DEEP + b"]" * 50_000 + b"}", id="nested deeply"),
    pytest.param(b'{"titles":["\\ud800"],"users":["\\ud800"],"event_id":"\\ud800"}', id="half a surrogate pair"),
    pytest.param(b'{"titles":["\xed\xa0\x80"],"users":["\xed\xa0\x80"]}', id="the same in bytes"),
    pytest.param(b'{"titles":["a"],"n":' + b"9" * 100_000 + b"}", id="a number of many digits"),
    pytest.param(b'{"titles":["a"],"diversity":1e999,"n":NaN}', id="no finite number"),
    pytest.param(b'{"titles":[' + b'"a",' * 300_000 + b'"a"]}', id="many"),
    pytest.param(b'{"titles":null,"users":{},"n":"1"}', id="other types"),
    pytest.param(b"[" + b"0," * 2000 + b"0]", id="a list of numbers"),
    pytest.param(b'"' + b"x" * 1_000_000 + b'"', id="a long text"),
]


@pytest.mark.parametrize("body", BODIES)
def test_a_body_of_anything_is_refused_by_name(api: Api, body: bytes) -> None:
    for path in POSTS:
        reply = api.client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert (reply.status_code in (400, 413, 422), reply.headers["content-type"]) == (True, PROBLEM), reply.text
        assert reply.json()["detail"]


def chunks(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield b"10000\r\n" + b" " * 65536 + b"\r\n"
    yield b"0\r\n\r\n"


CHUNKED = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("path", POSTS)
def test_ten_megabytes_are_too_many_in_one_piece_or_in_many(api: Api, path: str) -> None:
    assert status(sent(api, post(path, b" " * 10_000_000))) in (0, 413)  # 0: told while it was still being sent
    assert status(sent(api, post(path, b"")[:-4].replace(b"Length: 0", b"Length: 10000000") + b"\r\n\r\n")) == 413
    assert status(sent(api, CHUNKED % path.encode(), *chunks(160))) in (0, 413)
    assert status(sent(api, CHUNKED % path.encode(), *chunks(160), pause=0.002)) == 413


def test_a_body_where_none_belongs_is_refused_too(api: Api) -> None:
    assert status(sent(api, get("/health", "Content-Length: 10000000"))) == 413


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        pytest.param([], 0, id="nothing at all"),
        pytest.param([b"GET / HT"], 408, id="a line that does not end"),
        pytest.param([b"GET / HTTP/1.1\r\n", *[b"A: b\r\n"] * 30], 408, id="headers, one after the other"),
        pytest.param([b"\r\n"] * 30, 0, id="empty lines"),
        pytest.param([post("/v1/events", b"x" * 40)[:-40], *[b"x"] * 39], 408, id="a body, byte by byte"),
        pytest.param([CHUNKED % b"/v1/predictions", *[b"1\r\n \r\n"] * 30], 408, id="pieces, one after the other"),
        pytest.param([b"GET /health HTTP/1.1\r\n\r\n", *[b"\r\n"] * 30], 200, id="empty lines after an answer"),
        pytest.param(
            [b"POST /health HTTP/1.1\r\nContent-Length: 999\r\n\r\n", *[b"x"] * 30], 405, id="a body after its refusal"
        ),
    ],
)
def test_who_is_slow_is_told_and_sent_away(api: Api, pieces: list[bytes], expected: int) -> None:
    began = time.monotonic()
    assert status(sent(api, *pieces, pause=0.1)) == expected
    assert time.monotonic() - began < 12  # and not for as long as they like


@pytest.mark.parametrize(
    "given",
    [b"", b"GET / HT", post("/v1/predictions", b"x" * 100)[:-50], get("/health"), get("/v1/segments/0/members")],
    ids=["nothing", "half a head", "half a body", "a request", "a request for much"],
)
def test_a_client_that_says_it_is_done_is_not_waited_for(api: Api, given: bytes) -> None:
    with connected(api) as connection:
        connection.sendall(given)
        connection.shutdown(socket.SHUT_WR)
        assert status(told(connection)) in (0, 200, 400, 408)


def test_requests_in_one_breath_are_answered_in_their_order(api: Api) -> None:
    paths = [f"/v1/users/user-{number:07}/segment" for number in range(200)]
    asked = b"".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for path in paths)
    reply = sent(api, asked + get("/health") + b"garbage")
    assert reply.count(b"HTTP/1.1 200 OK") == 201
    places = [reply.index(f"u:user-{number:07}".encode()) for number in range(200)]
    assert places == sorted(places)


def stopped_reading(api: Api, count: int) -> list[socket.socket]:
    """Clients who asked for an audience and read no byte of it."""
    waiting = []
    for _ in range(count):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", api.port))
        connection.sendall(get("/v1/segments/0/members"))
        waiting.append(connection)
    return waiting


def test_who_stops_reading_an_audience_is_cut_off(api: Api) -> None:
    with ExitStack() as stack:
        waiting = [stack.enter_context(one) for one in stopped_reading(api, 2)]
        wait_for(lambda: open_from(api, waiting) == 2)
        assert api.client.get("/v1/users/42/churn").status_code == 200
        wait_for(lambda: open_from(api, waiting) == 0, 60)
        assert not any(told(connection).endswith(b"0\r\n\r\n") for connection in waiting)  # broken off, not ended


def open_from(api: Api, connections: list[socket.socket]) -> int:
    """How many of them the service still has."""
    ports = {connection.getsockname()[1] for connection in connections}
    return sum(bool(one.raddr) and one.raddr.port in ports for one in api.process.net_connections())


def hostile(api: Api) -> None:
    """A little of everything."""
    waiting = stopped_reading(api, 4)
    half = [connected(api) for _ in range(40)]
    for connection in half:
        connection.sendall(b"GET / HTTP/1.1\r\nA: " + b"x" * 60_000)
    for path in POSTS:
        sent(api, post(path, b" " * 10_000_000))
        sent(api, CHUNKED % path.encode(), *chunks(160))
        api.client.post(path, content=b'{"titles":[' + b'"a",' * 300_000 + b'"a"]}')
    sent(api, b"GET / HTTP/1.1\r\nA: ", *[b"x" * 16384] * 64)
    sent(api, get("/health?" + "x" * 70_000))
    for connection in half:
        told(connection)
    for connection in (*half, *waiting):
        connection.close()


def test_memory_and_connections_are_what_they_were_after_all_of_it(api: Api) -> None:
    hostile(api)
    before, open_before = api.process.memory_info().rss, api.process.num_fds()
    most = 0
    for _ in range(4):
        hostile(api)
        most = max(most, api.process.memory_info().rss)
    assert most - before < GROWTH
    wait_for(lambda: api.process.num_fds() <= open_before + 2)
    assert api.client.get("/v1/users/42/churn").json()["layer"] == "speed"
