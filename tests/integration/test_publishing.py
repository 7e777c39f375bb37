"""Publishing into a real store: what any client reads, replacing, a full store, a store that is away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import redis
from store_server import StoreServer

from batch.publish import written_to
from batch.wire import Wire, replacing
from lambda_arch.config import Store as Settings
from lambda_arch.config import load_config
from lambda_arch.store import Store, StoreError

pytestmark = pytest.mark.servers
SCORED = pa.schema([
    ("entity", pa.string()), ("profile", pa.binary()),
    ("records", pa.list_(pa.struct([("use_case", pa.string()), ("record", pa.string())]))),
])  # fmt: skip
ODD = 'u:with} \r\n"quotes" and Zoë'
Row = tuple[str, bytes, dict[str, str]]
ROWS: list[Row] = [
    ("u:1", b"p1", {"recommend": "{}", "churn": '{"name": "Zoë"}'}),
    ("t:1", bytes(range(256)), {"sentiment": "-ERR no error\r\n-nor this"}),
    (ODD, b"", {}),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StoreServer]:
    """A store of the test's own."""
    server = StoreServer(tmp_path)
    server.start()
    yield server
    server.stop()


def settings(url: str) -> Settings:
    return load_config({}).store.model_copy(update={"url": url, "ttl_days": 3})


def batch(rows: list[Row]) -> pa.RecordBatch:
    told = [
        {"entity": entity, "profile": profile,
         "records": [{"use_case": use_case, "record": record} for use_case, record in records.items()]}
        for entity, profile, records in rows
    ]  # fmt: skip
    return pa.RecordBatch.from_pylist(told, SCORED)


def write(url: str, *batches: pa.RecordBatch, in_service: bool = False) -> dict[str, Any]:
    [done] = written_to(settings(url), 7, in_service)(iter(batches))
    told: dict[str, Any] = done.to_pylist()[0]
    return told


def fields(profile: bytes, records: dict[str, str]) -> dict[str, bytes]:
    return {"profile": profile, **{name: record.encode() for name, record in records.items()}}


@pytest.mark.parametrize("in_service", [False, True], ids=["nobody reads it", "it is being read"])
@pytest.mark.parametrize("options", ["", "?health_check_interval=0"], ids=["by columns", "through the client"])
def test_any_client_reads_what_was_scored_and_nothing_of_before(
    server: StoreServer, options: str, in_service: bool
) -> None:
    store = Store(server.url, 3)
    store.publish(7, [("u:1", {"segment": b"of an earlier try"})])
    assert Wire.speaks(server.url + options) == (not options)
    written = write(server.url + options, batch(ROWS[:2]), batch(ROWS[2:]), in_service=in_service)
    assert written == {"written": 3, "fault": None}
    for entity, profile, records in ROWS:
        assert store.entity(entity, 7) == fields(profile, records)
        assert 3 * 86400 - 60 < store.redis.ttl(f"la:{{{entity}}}:g:7") <= 3 * 86400


def test_a_sliced_batch_writes_its_own_rows(server: StoreServer) -> None:
    assert write(server.url, batch(ROWS).slice(1, 1)) == {"written": 1, "fault": None}
    assert Store(server.url, 3).redis.keys() == [b"la:{t:1}:g:7"]


@pytest.mark.parametrize("in_service", [False, True], ids=["nobody reads it", "it is being read"])
def test_many_are_counted_whatever_the_pieces_in_which_answers_come(server: StoreServer, in_service: bool) -> None:
    many = [(f"u:{number}", b"p" * 300, {"churn": "{}"}) for number in range(20_000)]
    assert write(server.url, batch(many[:15_000]), batch(many[15_000:]), in_service=in_service)["written"] == 20_000
    assert Store(server.url, 3).redis.dbsize() == 20_000


@pytest.mark.parametrize("options", ["", "?health_check_interval=0"], ids=["by columns", "through the client"])
@pytest.mark.parametrize("in_service", [False, True], ids=["nobody reads it", "it is being read"])
def test_a_full_store_is_named_with_the_remedy(server: StoreServer, options: str, in_service: bool) -> None:
    store = Store(server.url, 3)
    store.redis.config_set("maxmemory", "4mb")
    many = [(f"u:{number}", b"p" * 1000, {"churn": "{}"}) for number in range(20_000)]
    fault = write(server.url + options, batch(many), in_service=in_service)["fault"]
    assert "store is out of memory" in fault
    assert "raise its `maxmemory`" in fault


def test_whoever_reads_meanwhile_never_misses_an_entity(server: StoreServer) -> None:
    """The night of a generation in service is run again, over and over, with other content."""
    many = [(f"u:{number}", b"p", {"churn": "{}"}) for number in range(3000)]
    write(server.url, batch(many))
    ended, missed, read = threading.Event(), 0, 0

    def poll() -> None:
        nonlocal missed, read
        with redis.Redis.from_url(server.url) as client:
            while not ended.is_set():
                missed += client.hget("la:{u:0}:g:7", "churn") is None
                read += 1

    reader = threading.Thread(target=poll)
    reader.start()
    for _ in range(30):
        write(server.url, batch(many), in_service=True)
    ended.set()
    reader.join()
    assert (missed, read > 30) == (0, True)


def test_a_store_that_is_away_is_a_fault_with_the_remedy() -> None:
    assert "start it with `lambda-arch up`" in write("redis://127.0.0.1:1/0", batch(ROWS))["fault"]


def test_a_password_is_used(server: StoreServer) -> None:
    Store(server.url, 3).redis.config_set("requirepass", "a b@c")
    with pytest.raises(StoreError, match="NOAUTH"):
        Wire(server.url)
    wire = Wire(server.url.replace("redis://", "redis://:a%20b%40c@").replace("/0", "/3"))
    keys = pa.array(["k"])
    assert wire.write(replacing(keys, {"f": pa.array([b"v"])}, 60), at_once=False) == wire.there(keys) == 1
    wire.close()
