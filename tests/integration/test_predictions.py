"""Many entities in one request, against a real store: what each would be told alone."""
# The fixtures are those of test_members.
# ruff: noqa: F401, F811

from __future__ import annotations

from typing import Any

import httpx
import pytest
from test_members import ODD, USERS, client, config, mixed, ok, store

from lambda_arch.store import Store

pytestmark = pytest.mark.servers


def asked(client: httpx.Client, **body: Any) -> httpx.Response:
    return client.post("/v1/predictions", json=body)


def test_each_is_told_what_it_would_be_told_alone(mixed: Store, client: httpx.Client) -> None:
    some = USERS[4:40]
    reply = asked(client, users=some, titles=["a", "zz"], n=3)
    assert reply.status_code == 200, reply.text
    alone: list[Any] = []
    for user in some:
        alone.append(ok(client, f"/v1/users/{user}/recommendations", n=3))
        alone += [ok(client, f"/v1/users/{user}/{kind}") for kind in ("segment", "churn")]
    alone += [ok(client, f"/v1/titles/{title}/sentiment") for title in ("a", "zz")]
    assert reply.json()["answers"] == alone
    assert len({answer["layer"] for answer in alone}) == 3


def test_use_cases_are_answered_in_the_order_asked_each_once(mixed: Store, client: httpx.Client) -> None:
    answers = asked(client, users=[*ODD, ODD[0]], use_cases=["churn", "segment", "churn"]).json()["answers"]
    assert [answer["entity"] for answer in answers] == [f"u:{user}" for user in (*ODD, ODD[0]) for _ in "12"]
    assert [answer["use_case"] for answer in answers] == ["churn", "segment"] * 5


def test_a_hundred_users_are_read_together(mixed: Store, client: httpx.Client) -> None:
    def reads() -> int:
        told: int = mixed.redis.info("stats")["total_reads_processed"]
        return told

    asked(client, users=["whoever comes first"])  # connections are made and models read
    before = reads()
    assert len(asked(client, users=USERS[:100]).json()["answers"]) == 300
    assert reads() - before <= 12  # some pieces of a few round trips, not one for each


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "body: "),
        (b"[]", "body: Expected `object`"),
        (b'{"users": ["\\ud800"]}', "body: "),
        (b'{"users": ["\xff"]}', "body: "),
        (b"{}", "want 1 to 1,000 together, have 0"),
        (b'{"users": [""]}', "$.users[0]"),
        (b'{"users": ["a"], "use_cases": ["weather"]}', "$.use_cases[0]"),
        (b'{"users": ["a"], "n": 0}', "$.n"),
        (b'{"users": ["a"], "m": 1}', "unknown field `m`"),
        (b'{"users": [%s]}' % b",".join([b'"a"'] * 1001), "want 1 to 1,000 together, have 1,001: ask in several"),
    ],
    ids=["nothing", "a list", "half a character", "no UTF-8", "nobody", "an empty id", "an unknown use case",
         "no titles", "an unknown field", "too many"],
)  # fmt: skip
def test_what_cannot_be_asked_is_named(store: Store, client: httpx.Client, body: bytes, words: str) -> None:
    reply = client.post("/v1/predictions", content=body)
    assert (reply.status_code, reply.headers["content-type"]) == (422, "application/problem+json")
    assert words in reply.json()["detail"]
