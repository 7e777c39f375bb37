"""Lists of users over HTTP: whoever is asked about alone and whoever is on a list are told the same."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import psutil
import pyarrow as pa
import pytest
from served import served
from store_server import StoreServer
from typer.testing import CliRunner, Result

from batch.wire import Wire, replacing
from jobs.cli import app as console
from lambda_arch.audience import PIECE, Listed, Lists, Piece
from lambda_arch.clock import DAY, HOUR, parse_rfc3339, rfc3339
from lambda_arch.commits import Commit
from lambda_arch.config import Config, load_config
from lambda_arch.experiments import Experiment
from lambda_arch.fidelity import FidelityTable, Measure
from lambda_arch.generations import retire
from lambda_arch.list_reads import ListReads
from lambda_arch.models import CurvePoint, Models, Trait
from lambda_arch.reads import AsyncStore
from lambda_arch.records import Prediction, UseCase, encode
from lambda_arch.store import Store, StoreError
from serving.answers import Answers
from serving.audience import Audience, members_of

pytestmark = pytest.mark.servers
HORIZON = parse_rfc3339("2016-01-02T00:00:00Z")  # of small_models
NOW = HORIZON + 5 * HOUR
ODD = ['"quoted", and\nlines', "Zoë 🎬", "a/b", "=1+1"]
USERS = [*ODD, *(f"user-{number:03}" for number in range(146))]
NAMES = {0: "casual", 1: "regular", 4: "devoted"}
# Speed is ahead of what batch has not seen, and behind where there is nothing new.
FIDELITY = FidelityTable(2, {
    use_case: {
        "batch": {"0": Measure(0.9, 0.01, 99), "1": Measure(0.5, 0.01, 99)},
        "speed": {"0": Measure(0.5, 0.01, 99), "1": Measure(0.9, 0.01, 99)},
    }
    for use_case in ("segment", "churn")
})  # fmt: skip
CURVE = [CurvePoint(0.0, 0.25, 1.0, 0.75), CurvePoint(0.4, 0.5, 0.8, 0.3), CurvePoint(0.6, 0.8, 0.4, 0.325),
         CurvePoint(0.9, 0.0, 0.0, 0.6), CurvePoint(1.0, 1.0, 0.0, 0.5)]  # fmt: skip


def record(use_case: UseCase, user: str, layer: str, value: dict[str, Any], **changes: object) -> Prediction:
    plain = Prediction(
        use_case=use_case, entity=f"u:{user}", value=value, layer=layer, model="m",  # type: ignore[arg-type]
        model_version=2, as_of=rfc3339(HORIZON - HOUR if layer == "batch" else NOW - HOUR),
        evidence=10 if layer == "batch" else 11, generation=2, written_at=rfc3339(NOW),
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changes)


def segment_of(number: int) -> dict[str, Any]:
    return {"segment": number, "name": NAMES[number], "distance": 0.5}


def risk_of(probability: float) -> dict[str, Any]:
    return {"probability": probability, "at_risk": probability >= 0.4, "cutoff": 0.4}


def values(rng: random.Random) -> dict[UseCase, dict[str, Any]]:
    """What a layer may say of somebody: of each use case something or nothing; few different probabilities."""
    said: dict[UseCase, dict[str, Any]] = {
        "segment": segment_of(rng.choice((0, 0, 1, 4))), "churn": risk_of(round(rng.random(), rng.choice((1, 6)))),
    }  # fmt: skip
    return {use_case: value for use_case, value in said.items() if rng.random() < 0.8}


def publish(store: Store, said: dict[str, dict[UseCase, dict[str, Any]]], generation: int = 2, size: int = 7) -> None:
    """A generation's records and lists, as a night writes them."""
    rows = []
    lists: dict[str, list[tuple[float, str]]] = {}
    for user, told in said.items():
        rows.append((f"u:{user}", {use_case: encode(record(use_case, user, "batch", value, generation=generation))
                                   for use_case, value in told.items()} | {"profile": b""}))  # fmt: skip
        for use_case, value in told.items():
            name = "churn" if use_case == "churn" else f"segment:{value['segment']}"
            lists.setdefault(name, []).append((-value["probability"] if use_case == "churn" else 0, user))
    store.publish(generation, rows)
    listed = {}
    for name, users in lists.items():
        pieces = [sorted(users)[start : start + size] for start in range(0, len(users), size)]
        lowest = [-piece[-1][0] for piece in pieces] if name == "churn" else []
        for number, piece in enumerate(pieces):
            scores = [-score for score, _ in piece] if name == "churn" else []
            store.put_pieces(generation, [(name, number, Piece([user for _, user in piece], scores))])
        listed[name] = Listed(len(users), len(pieces), lowest)
    store.put_lists(Lists(generation, listed))


def stream(store: Store, user: str, version: int = 0, **said: Prediction) -> None:
    store.commit([Commit(f"u:{user}", version, 0, b"", list(said.values()))])


@pytest.fixture(scope="module")
def config(server: StoreServer) -> Config:
    return load_config({"LAMBDA_ARCH__STORE__URL": server.url, "LAMBDA_ARCH__CLOCK": "event"})


@pytest.fixture
def store(server: StoreServer, small_models: Models) -> Iterator[Store]:
    """A store in which generation 2 is current, of nobody yet."""
    store = Store(server.url, 1)
    store.redis.flushall()
    churn, segment = small_models.churn, small_models.segment
    assert churn is not None
    assert segment is not None
    models = msgspec.structs.replace(
        small_models,
        churn=msgspec.structs.replace(churn, curve=CURVE, base_rate=0.25),
        segment=msgspec.structs.replace(segment, traits=[[Trait("count:view", 3.0, 1.0)], [], []]),
    )
    store.put_models(models, FIDELITY)
    store.flip(1, HORIZON - DAY)
    store.flip(2, HORIZON)
    store.advance_clock(NOW)
    yield store
    store.redis.close()


@pytest.fixture
def client(config: Config, store: Store) -> Iterator[httpx.Client]:
    with served(config) as client:
        yield client


@pytest.fixture
def mixed(store: Store) -> Store:
    """Users of whom both layers, one or neither says something, not always the same, and some of it void."""
    rng = random.Random(7)
    publish(store, {user: said for user in USERS if (said := values(rng))})
    for user in rng.sample(USERS, 100):
        void: dict[str, object] = rng.choice(({}, {}, {}, {"generation": 9}, {"as_of": rfc3339(HORIZON - 90 * DAY)}))
        stream(store, user, **{
            use_case: record(use_case, user, "speed", value, evidence=rng.choice((10, 11)), **void)
            for use_case, value in values(rng).items()
        })  # fmt: skip
    store.redis.delete(f"la:{{u:{USERS[20]}}}:g:2", f"la:{{u:{USERS[20]}}}:s")  # somebody who was erased
    return store


def ok(client: httpx.Client, path: str, **parameters: Any) -> Any:
    reply = client.get(path, params=parameters)
    assert reply.status_code == 200, reply.text
    return reply.json()


def lines(client: httpx.Client, path: str, **parameters: Any) -> list[dict[str, Any]]:
    reply = client.get(path, params={"format": "jsonl", **parameters})
    assert reply.status_code == 200, reply.text
    return [json.loads(line) for line in reply.text.splitlines()]


def asked_alone(client: httpx.Client, use_case: str) -> dict[str, dict[str, Any]]:
    """What everybody is told of whom it is more than a default."""
    told = {user: ok(client, f"/v1/users/{quote(user, safe='')}/{use_case}") for user in USERS}
    return {user: answer for user, answer in told.items() if answer["layer"] != "fallback"}


def test_the_members_of_all_segments_are_those_who_are_told_so_each_once(mixed: Store, client: httpx.Client) -> None:
    alone, layers = asked_alone(client, "segment"), set()
    for segment, name in NAMES.items():
        rows = lines(client, f"/v1/segments/{segment}/members")
        expected = {user for user, answer in alone.items() if answer["value"]["segment"] == segment}
        assert sorted(row["user_id"] for row in rows) == sorted(expected)
        for row in rows:
            answer = alone[row["user_id"]]
            assert row == {"user_id": row["user_id"], "layer": answer["layer"], "as_of": answer["as_of"],
                           "segment": segment, "name": name, "distance": 0.5}  # fmt: skip
            layers.add(row["layer"])
    assert layers == {"batch", "speed"}


@pytest.mark.parametrize("parameters", [{}, {"cutoff": 0.75}, {"cutoff": 0}, {"segment": 0}], ids=str)
def test_all_pages_together_are_the_ranking_of_what_everybody_is_told(
    mixed: Store, client: httpx.Client, parameters: dict[str, Any]
) -> None:
    alone, segments = asked_alone(client, "churn"), asked_alone(client, "segment")
    risks = {user: answer["value"]["probability"] for user, answer in alone.items()}
    expected = sorted((-risk, user) for user, risk in risks.items() if risk >= parameters.get("cutoff", 0.4))
    if "segment" in parameters:
        expected = [pair for pair in expected if segments.get(pair[1], {}).get("value", {}).get("segment") == 0]
    found, cursor = [], None
    while True:
        page = ok(client, "/v1/churn/at-risk", n=17, **parameters, **({"cursor": cursor} if cursor else {}))
        found += [(-item["probability"], item["user_id"]) for item in page["items"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert found == expected
    assert len(found) > 20
    at = ok(client, "/v1/churn/at-risk", n=5, offset=13, **parameters)["items"]
    assert [item["user_id"] for item in at] == [user for _, user in expected[13:18]]
    streamed = lines(client, "/v1/churn/at-risk", **parameters)
    assert sorted((-row["probability"], row["user_id"]) for row in streamed) == expected


def test_a_list_is_the_same_whatever_experiments_there_are(mixed: Store, client: httpx.Client, config: Config) -> None:
    paths = ["/v1/churn/at-risk", *(f"/v1/segments/{segment}/members" for segment in NAMES)]
    arms = {
        "a": {"weight": 1, "policy": {"rule": "speed_first"}},
        "b": {"weight": 1, "policy": {"rule": "batch_first"}},
    }
    split = [
        Experiment.model_validate({"name": use_case, "use_case": use_case, "arms": arms})
        for use_case in ("segment", "churn")
    ]
    serving = config.serving.model_copy(update={"experiments": tuple(split)})
    with served(config.model_copy(update={"serving": serving})) as other:
        assert asked_alone(other, "churn") != asked_alone(client, "churn")
        assert asked_alone(other, "segment") != asked_alone(client, "segment")
        assert [lines(other, path) for path in paths] == [lines(client, path) for path in paths]
        pages = [ok(one, "/v1/churn/at-risk", n=100)["items"] for one in (other, client)]
    assert pages[0] == pages[1]
    assert len(pages[0]) > 20


def test_a_file_of_csv_has_the_same_and_reads_back(mixed: Store, client: httpx.Client) -> None:
    for path in ("/v1/segments/0/members", "/v1/churn/at-risk"):
        reply = client.get(path, headers={"Accept": "text/html;q=0.1, text/csv"})
        assert reply.headers["content-type"] == "text/csv; charset=utf-8"
        assert reply.headers["generation"] == "2"
        rows = list(csv.DictReader(io.StringIO(reply.text, newline="")))
        assert [{name: str(value) for name, value in row.items()} for row in lines(client, path)] == rows
        assert {row["user_id"] for row in rows} & set(ODD)


def test_segments_are_told_with_what_sets_them_apart(mixed: Store, client: httpx.Client) -> None:
    reply = ok(client, "/v1/segments")
    assert (reply["generation"], reply["model"], reply["model_version"]) == (2, "kmeans", 2)
    assert [(one["segment"], one["name"]) for one in reply["segments"]] == list(NAMES.items())
    lists = mixed.lists(2)
    assert lists is not None
    assert [one["members"] for one in reply["segments"]] == [lists.of(f"segment:{n}").members for n in NAMES]
    assert reply["segments"][0]["traits"] == [
        {"feature": "count:view", "mean": 3.0, "everybody": 1.0, "words": "view events: 19.1, everybody 1.72"}
    ]


@pytest.mark.parametrize(
    ("costs", "cutoff"),
    [((1, 2), 0.4), ((1, 100), 0.0), ((100, 1), 1.0), ((0, 1), 0.0), ((3, 2), 0.6)],
    ids=["the usual", "who leaves is dear", "a call is dear", "a call costs nothing", "a call is half again as dear"],
)
def test_costs_become_the_cutoff_at_which_they_are_least(
    store: Store, client: httpx.Client, costs: tuple[float, float], cutoff: float
) -> None:
    given = dict(zip(("false_positive", "false_negative"), costs, strict=True))
    publish(store, {"a": {"churn": risk_of(0.5)}})
    curve = ok(client, "/v1/churn/curve", **given)
    assert curve["cutoff"] == cutoff
    value = ok(client, "/v1/users/a/churn", **given)["value"]
    assert value == {"probability": 0.5, "at_risk": cutoff <= 0.5, "cutoff": cutoff}
    assert ok(client, "/v1/churn/at-risk", **given)["cutoff"] == cutoff


@pytest.mark.parametrize(("cutoff", "at_risk"), [(0.5, True), (0.50001, False), (0, True), (1, False)])
def test_a_cutoff_says_whether_to_call_one_customer(
    store: Store, client: httpx.Client, cutoff: float, at_risk: bool
) -> None:
    publish(store, {"a": {"churn": risk_of(0.5)}})
    value = ok(client, "/v1/users/a/churn", cutoff=cutoff)["value"]
    assert value == {"probability": 0.5, "at_risk": at_risk, "cutoff": cutoff}


def test_without_costs_the_curve_has_the_cutoff_of_the_model(
    store: Store, config: Config, small_models: Models
) -> None:
    assert small_models.churn
    churn = msgspec.structs.replace(small_models.churn, curve=CURVE, cutoff=0.6)
    store.put_models(msgspec.structs.replace(small_models, churn=churn), FIDELITY)
    publish(store, {})
    with served(config) as client:
        assert ok(client, "/v1/churn/curve")["cutoff"] == 0.6


def test_the_curve_at_other_costs_is_that_of_the_same_customers(store: Store, client: httpx.Client) -> None:
    publish(store, {})
    points = ok(client, "/v1/churn/curve")["points"]
    assert [point["cost"] for point in points] == [0.75, 0.3, 0.325, 0.6, 0.5]
    again = ok(client, "/v1/churn/curve", false_positive=1, false_negative=2)["points"]
    assert [point["cost"] for point in again] == [0.75, 0.3, 0.325, None, 0.5]
    assert ok(client, "/v1/churn/curve")["cutoff"] == 0.4


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/v1/segments/2/members", 404, "segment 2: no such segment in service"),
        ("/v1/segments/x/members", 422, "segment"),
        ("/v1/segments/0/members?format=xml", 422, "format"),
        ("/v1/churn/at-risk?cutoff=2", 422, "cutoff"),
        ("/v1/churn/at-risk?cutoff=nan", 422, "cutoff"),
        ("/v1/churn/at-risk?cutoff=0.5&false_positive=1&false_negative=1", 422, "either a cutoff or costs"),
        ("/v1/churn/at-risk?false_positive=1", 422, "want both costs or neither"),
        ("/v1/churn/at-risk?cursor=WzEsMl0=", 422, "want one that a page before gave"),
        ("/v1/churn/at-risk?cursor=%F0%9F%8E%AC", 422, "want one that a page before gave"),
        ("/v1/churn/at-risk?n=0", 422, "n:"),
        ("/v1/users/a/churn?cutoff=0.5&false_positive=1&false_negative=1", 422, "either a cutoff or costs"),
    ],
)
def test_what_cannot_be_asked_is_a_problem(
    store: Store, client: httpx.Client, path: str, status: int, words: str
) -> None:
    publish(store, {})
    reply = client.get(path)
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")
    assert words in reply.json()["detail"]


def test_a_generation_without_lists_says_so(store: Store, client: httpx.Client) -> None:
    reply = client.get("/v1/segments/0/members")
    assert reply.status_code == 503
    assert "generation 2 has no lists of users: the next night writes them" in reply.json()["detail"]


def many(store: Store, server: StoreServer, count: int) -> None:
    """So many members of segment 0, by columns."""
    users = [f"user-{number:07}" for number in range(count)]
    plain = encode(record("segment", "USER", "batch", segment_of(0))).decode().replace("u:USER", "u:{}")
    before, _, after = plain.partition("{}")
    wire = Wire(server.url)
    for start in range(0, count, 50_000):
        some = users[start : start + 50_000]
        keys = pa.array([f"la:{{u:{user}}}:g:2" for user in some])
        records = pa.array([f"{before}{user}{after}" for user in some])
        wire.write(replacing(keys, {"segment": records}, 3600), at_once=False)
    wire.close()
    pieces = [users[start : start + PIECE] for start in range(0, count, PIECE)]
    store.put_pieces(2, [("segment:0", number, Piece(piece)) for number, piece in enumerate(pieces)])
    store.put_lists(Lists(2, {"segment:0": Listed(count, len(pieces))}))


def test_two_hundred_thousand_members_go_out_in_bounded_memory(
    store: Store, server: StoreServer, client: httpx.Client
) -> None:
    count, rows, sizes = 200_000, 0, list[int]()
    many(store, server, count)
    process = psutil.Process()
    with client.stream("GET", "/v1/segments/0/members") as reply:
        for chunk in reply.iter_raw():
            rows += chunk.count(b"\n")
            sizes.append(process.memory_info().rss)
    assert rows == count
    warm = sizes[len(sizes) // 10]
    assert max(sizes) - warm < 16 << 20


def commands(store: Store) -> int:
    return int(store.redis.info("stats")["total_commands_processed"])


def settled(store: Store) -> int:
    """How many commands the store has had once it gets no more than these questions."""
    before, deadline = commands(store), time.monotonic() + 20
    while True:
        time.sleep(0.25)
        now = commands(store)
        if now - before <= 2:
            return now
        assert time.monotonic() < deadline
        before = now


def test_whoever_does_not_read_or_goes_away_costs_nothing_more(
    store: Store, server: StoreServer, client: httpx.Client
) -> None:
    many(store, server, 200_000)
    before = settled(store)
    with client.stream("GET", "/v1/segments/0/members") as reply:
        next(reply.iter_raw())
        reading = settled(store)
        assert reading - before < 300_000  # of 400,000 records: the stream waits for its reader
        assert ok(client, "/v1/users/user-0000007/segment")["layer"] == "batch"
    assert settled(store) - reading < 10_000


def walked(config: Config, store: Store, meanwhile: list[Any]) -> list[str]:
    """The members of segment 0, when after the first piece something happens."""

    async def walk() -> list[str]:
        reads = AsyncStore(config.store.url)
        audience = Audience(Answers(reads, config), ListReads(reads))
        try:
            found = []
            async for piece in audience.walk(await audience.moment(), members_of(0)):
                found += [answer.entity[2:] for answer in piece]
                while meanwhile:
                    meanwhile.pop(0)()
            return found
        finally:
            await reads.close()

    return asyncio.run(walk())


def test_a_stream_stays_with_its_generation_through_a_flip(config: Config, mixed: Store) -> None:
    expected = walked(config, mixed, [])
    moved = {user: {"segment": segment_of(1)} for user in USERS}
    publish(mixed, moved, generation=3)  # type: ignore[arg-type]
    rescored = record("segment", USERS[40], "speed", segment_of(1), generation=3, evidence=99)
    found = walked(config, mixed, [
        lambda: mixed.flip(3, HORIZON + DAY),
        lambda: retire(mixed, (2, 3)),
        lambda: mixed.commit([Commit(f"u:{USERS[40]}", 1, 0, b"", [rescored])]),
    ])  # fmt: skip
    assert found == expected
    silent = {user for user in expected if not mixed.redis.exists(f"la:{{u:{user}}}:s")}
    assert silent
    assert not silent & set(walked(config, mixed, []))


def test_a_stream_of_a_generation_that_is_retired_ends_with_a_fault(config: Config, mixed: Store) -> None:
    def retired() -> None:
        for number in (3, 4):
            mixed.flip(number, HORIZON + number * DAY)
        retire(mixed, (3, 4))

    with pytest.raises(StoreError, match="of generation 2 is gone: ask again"):
        walked(config, mixed, [retired])


def test_whoever_moves_while_the_stream_runs_is_never_on_it_twice(config: Config, mixed: Store) -> None:
    first = walked(config, mixed, [])
    moves = [
        lambda user=user: stream(  # type: ignore[misc]
            mixed, user, int(mixed.redis.hget(f"la:{{u:{user}}}:s", "v") or 0),
            segment=record("segment", user, "speed", segment_of(0), evidence=11, as_of=rfc3339(NOW)),
        )
        for user in USERS
    ]  # fmt: skip
    found = walked(config, mixed, moves)
    assert len(found) == len(set(found))
    assert set(first) <= set(found)


def test_a_file_that_cannot_be_finished_is_not_ended(mixed: Store, client: httpx.Client) -> None:
    mixed.redis.delete("la:audience:2:segment:0:3")
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
        client.get("/v1/segments/0/members")


def run(config: Config, *arguments: str) -> Result:
    environment = {"LAMBDA_ARCH__STORE__URL": config.store.url, "LAMBDA_ARCH__CLOCK": "event", "COLUMNS": "160"}
    return CliRunner().invoke(console, list(arguments), env=environment, catch_exceptions=False)


def test_the_command_line_gives_what_the_api_gives(
    config: Config, mixed: Store, client: httpx.Client, tmp_path: Path
) -> None:
    assert json.loads(run(config, "segments", "list", "--json").stdout) == ok(client, "/v1/segments")
    assert "view events: 19.1, everybody 1.72" in run(config, "segments", "list").stdout
    out = tmp_path / "casual.csv"
    told = run(config, "segments", "members", "0", "--out", str(out))
    expected = client.get("/v1/segments/0/members", params={"format": "csv"}).content
    assert (out.read_bytes(), list(tmp_path.iterdir())) == (expected, [out])
    assert told.stderr == f"{len(lines(client, '/v1/segments/0/members'))} members of segment 0\n"
    printed = run(config, "segments", "members", "0", "--format", "jsonl").stdout
    assert printed == client.get("/v1/segments/0/members").text
    costs = {"false_positive": 3, "false_negative": 2}
    ranked = json.loads(run(config, "at-risk", "-n", "9", "--cost", "3", "2", "--segment", "0", "--json").stdout)
    assert ranked == ok(client, "/v1/churn/at-risk", n=9, segment=0, **costs)["items"]
    assert ranked[0]["user_id"] in run(config, "at-risk", "--segment", "0").stdout


def test_the_command_line_names_what_is_not_there(config: Config, mixed: Store) -> None:
    with pytest.raises(StoreError, match="segment 2 is not in service"):
        run(config, "segments", "members", "2")
    assert run(config, "at-risk", "--cutoff", "0.5", "--cost", "1", "2").exit_code == 2
