"""Where the store is: every way of saying it, and what is not one."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from lambda_arch.addresses import Address, address_of, plain
from lambda_arch.gathered import BATCH, Asked, batches
from lambda_arch.slots import slot_of


@pytest.mark.parametrize(
    ("url", "address"),
    [
        pytest.param("redis://h", Address(host="h"), id="the usual port and database"),
        pytest.param("redis://h:7/3", Address(host="h", port=7, database=3), id="a port and a database"),
        pytest.param(
            "redis://me:a%20b%40c@h", Address(host="h", username="me", password="a b@c"), id="a user and a password"
        ),
        pytest.param("redis://:secret@h", Address(host="h", password="secret"), id="a password alone"),
        pytest.param("rediss://h?ssl_ca_certs=/ca.pem", Address(host="h", tls=True, authority="/ca.pem"), id="TLS"),
        pytest.param(
            "rediss+cluster://h?ssl_cert_reqs=none",
            Address(host="h", tls=True, verify=False, cluster=True),
            id="a cluster by TLS that is not verified",
        ),
        pytest.param("unix:///run/store.sock?db=2", Address(path="/run/store.sock", database=2), id="a Unix socket"),
        pytest.param("redis+cluster://h:7000", Address(host="h", port=7000, cluster=True), id="a cluster"),
    ],
)
def test_an_address_is_what_its_url_says(url: str, address: Address) -> None:
    assert address_of(url) == address
    assert "secret" not in str(address)


def test_another_scheme_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"store\.url: want redis://.*redis\+cluster://.*have http://"):
        address_of("http://h")


def test_other_clients_get_the_url_without_the_mark_of_a_cluster() -> None:
    assert [plain(url) for url in ("rediss+cluster://h:7", "redis://h")] == ["rediss://h:7", "redis://h"]


@given(st.one_of(st.text(), st.from_regex(r"la:\{[^{]{0,9}\}[:s}{]{0,3}", fullmatch=True)))
def test_a_key_s_slot_is_the_one_that_redis_own_client_finds(key: str) -> None:
    assert slot_of(key) == slot_of(key.encode()) == key_slot(key.encode())


@given(st.lists(st.integers(0, 2 * BATCH)))
def test_batches_have_all_readers_in_order_and_are_no_larger_than_they_must_be(sizes: list[int]) -> None:
    async def cut() -> list[list[Asked]]:
        loop = asyncio.get_running_loop()
        return list(batches(Asked(("u:1",) * size, ("churn",), loop.create_future()) for size in sizes))

    found = [[len(asked.entities) for asked in batch] for batch in asyncio.run(cut())]
    assert [size for batch in found for size in batch] == sizes
    assert all(len(batch) == 1 or sum(batch) <= BATCH for batch in found)
