"""The door of the API, over real sockets: keys, rates, bodies that are too large or too slow, and headers."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from served import served, wait_for
from store_server import free_port

from jobs.run_api import run
from lambda_arch.clock import wall_now
from lambda_arch.config import Config, ConfigError, load_config
from serving.access.keys import KeysFile, Terms, new_key
from serving.access.scopes import Scope
from serving.app import create_app

CHURN = "/v1/users/42/churn"  # without a store, what is let through is a 503
Serve = Callable[..., httpx.Client]


@pytest.fixture
def file(tmp_path: Path) -> KeysFile:
    return KeysFile(tmp_path / "keys.json")


@pytest.fixture
def serve(file: KeysFile) -> Iterator[Serve]:
    """Start the API in a thread, with access settings as given; the client's base_url has its port."""
    with ExitStack() as running:
        yield lambda **access: running.enter_context(served(settings(file, **access)))


def settings(file: KeysFile, host: str = "127.0.0.1", **access: Any) -> Config:
    changes = {"keys_file": str(file.path), **access}
    environment = {
        f"LAMBDA_ARCH__SERVING__ACCESS__{name.upper()}": json.dumps(value) for name, value in changes.items()
    }
    return load_config({
        **environment, "LAMBDA_ARCH__SERVING__HOST": host,
        "LAMBDA_ARCH__STORE__URL": f"redis://127.0.0.1:{free_port()}/0",
    })  # fmt: skip


def token(file: KeysFile, *scopes: Scope, **terms: Any) -> str:
    key, made = new_key(Terms(name="test", scopes=scopes, **terms), wall_now())
    file.add(key)
    return made


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def basic(key: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'anybody:{key}'.encode()).decode()}"}


def problem(reply: httpx.Response, status: int) -> str:
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json"), reply.text
    return str(reply.json()["detail"])


def test_without_keys_everybody_on_this_machine_may_ask(serve: Serve) -> None:
    problem(serve().get(CHURN), 503)


def test_with_keys_nothing_but_health_and_metrics_is_open(serve: Serve, file: KeysFile) -> None:
    token(file, "read")
    client = serve()
    documented = set(create_app(settings(file)).openapi()["paths"])
    for path in (*(documented - {"/health", "/metrics"}), "/", "/openapi.json", "/nowhere", "/../v1/users/1/churn"):
        reply = client.get(path)
        assert "Authorization: Bearer" in problem(reply, 401), path
        assert reply.headers["www-authenticate"].startswith("Bearer realm=")
    assert (client.get("/health").status_code, client.get("/metrics").status_code) == (200, 200)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Basic !", "Basic eA==", "Digest a", "bearer\xe9\xff"])
def test_what_is_no_key_is_a_401(serve: Serve, file: KeysFile, header: str) -> None:
    token(file, "admin")
    problem(serve().get(CHURN, headers={"Authorization": header.encode("latin-1")}), 401)  # type: ignore[dict-item]


def test_a_key_opens_what_its_scope_is_for(serve: Serve, file: KeysFile) -> None:
    reader, writer, admin = (token(file, scope) for scope in ("read", "write", "admin"))  # type: ignore[arg-type]
    client = serve()
    statuses = [client.get(CHURN, headers=send(key)).status_code
                for key in (reader, writer, admin) for send in (bearer, basic)]  # fmt: skip
    assert statuses == [503, 503, 403, 403, 503, 503]
    refused = client.get("/v1/users/42/export", headers=bearer(reader))
    assert "needs admin" in problem(refused, 403)
    assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        pytest.param({}, False, id="a program sends no origin"),
        pytest.param({"Sec-Fetch-Site": "same-origin"}, False, id="our own page"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, True, id="another site's page"),
        pytest.param({"Origin": "https://elsewhere.example"}, True, id="another site's page in an old browser"),
    ],
)
def test_a_key_that_a_browser_remembers_writes_for_no_other_site(
    serve: Serve, file: KeysFile, headers: dict[str, str], refused: bool
) -> None:
    key = token(file, "admin")
    reply = serve().post("/v1/generations/unknown", headers={**basic(key), **headers})
    assert (reply.status_code == 403) is refused


def test_a_key_that_is_revoked_is_out_within_seconds(serve: Serve, file: KeysFile) -> None:
    key = token(file, "read")
    client = serve()
    problem(client.get(CHURN, headers=bearer(key)), 503)
    file.revoke(file.read()[0].id, wall_now())
    wait_for(lambda: client.get(CHURN, headers=bearer(key)).status_code == 401)


def test_who_asks_too_often_is_told_when_to_come_back(serve: Serve, file: KeysFile) -> None:
    slow, other = token(file, "read", rate=0.01, burst=2), token(file, "read")
    client = serve()
    replies = [client.get("/openapi.json", headers=bearer(slow)) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert 90 <= int(replies[2].headers["retry-after"]) <= 100
    assert "0.01 times a second, 2 at once" in problem(replies[2], 429)
    assert client.get("/openapi.json", headers=bearer(other)).status_code == 200


def test_a_key_without_a_rate_of_its_own_has_that_of_the_configuration(serve: Serve, file: KeysFile) -> None:
    key = token(file, "read")
    client = serve(rate_per_second=0.02, burst=3)
    replies = [client.get("/openapi.json", headers=bearer(key)) for _ in range(4)]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429]
    assert "0.02 times a second, 3 at once" in problem(replies[3], 429)


def test_a_new_key_opens_beside_the_old_one_until_that_is_revoked(serve: Serve, file: KeysFile) -> None:
    old, new = token(file, "read"), token(file, "read")
    client = serve()
    assert [client.get(CHURN, headers=bearer(key)).status_code for key in (old, new)] == [503, 503]
    file.revoke(file.read()[0].id, wall_now())
    wait_for(lambda: client.get(CHURN, headers=bearer(old)).status_code == 401)
    assert client.get(CHURN, headers=bearer(new)).status_code == 503


def test_an_address_beyond_this_machine_needs_a_key(file: KeysFile) -> None:
    open_to_all = settings(file, host="0.0.0.0")
    with pytest.raises(ConfigError, match=r"serving\.host 0\.0\.0\.0: without API keys .* `lambda-arch keys create`"):
        run(open_to_all)
    token(file, "read")
    file.revoke(file.read()[0].id, wall_now())
    with pytest.raises(ConfigError, match="without API keys"):
        run(open_to_all)


def raw(client: httpx.Client, sent: bytes, half: bool = False) -> bytes:
    """What the server answers to these bytes; `half`: no more will be sent, and said so."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=20) as line:
        line.sendall(sent)
        if half:
            line.shutdown(socket.SHUT_WR)
        parts = []
        while part := line.recv(65536):
            parts.append(part)
            if b"}" in part:
                break
        return b"".join(parts)


HEAD = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def test_a_body_that_says_it_is_too_large_is_a_413(serve: Serve) -> None:
    answer = raw(serve(max_body_bytes=1000), HEAD + b"Content-Length: 10000000\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"serving.access.max_body_bytes" in answer


def test_every_reply_has_the_headers_for_browsers(serve: Serve, file: KeysFile) -> None:
    token(file, "read")
    client = serve()
    for reply in (client.get("/health"), client.get(CHURN)):
        headers = reply.headers
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        apart = [headers[f"cross-origin-{kind}-policy"] for kind in ("resource", "opener")]
        assert apart == ["same-origin", "same-origin"]


def test_other_sites_may_ask_only_where_that_is_configured(serve: Serve, file: KeysFile) -> None:
    token(file, "read")
    site = "https://console.example.com"
    asked = {"Origin": site, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "Authorization"}
    problem(serve().options(CHURN, headers=asked), 401)
    open_to_site = serve(origins=[site])
    reply = open_to_site.options(CHURN, headers=asked)
    assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (200, site)
    assert open_to_site.options(CHURN, headers={**asked, "Origin": "https://other.example"}).status_code == 400


def test_openapi_says_which_key_each_address_needs(serve: Serve) -> None:
    document = serve().get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    health, churn = document["paths"]["/health"]["get"], document["paths"]["/v1/users/{user_id}/churn"]["get"]
    assert (health["security"], churn["security"]) == ([], [{"bearer": []}, {"basic": []}])
    assert churn["x-scope"] == "read"
    assert {"401", "403", "429"} <= set(churn["responses"])
    assert "401" not in health["responses"]


def test_a_body_without_a_length_is_counted_as_it_comes(serve: Serve) -> None:
    chunk = b"200\r\n" + b" " * 512 + b"\r\n"
    answer = raw(serve(max_body_bytes=1000), HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 3)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_body_that_does_not_end_is_a_408(serve: Serve) -> None:
    answer = raw(serve(body_seconds=0.3), HEAD + b"Content-Length: 100\r\n\r\n{")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"serving.access.body_seconds" in answer
