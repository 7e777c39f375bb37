"""What the night says of a batch of entities, as the store and the lake get it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from pyspark.sql.pandas.types import to_arrow_schema

from batch.publish import scored_users
from lambda_arch.models import Models
from lambda_arch.predictions import Scoring
from lambda_arch.profile_rows import profiles_of
from lambda_arch.schemas import PROFILE
from lambda_arch.tiles import Account, Profile, Seen, Tile

VIEWER = Profile(
    Tile({"rating": 1, "view": 2}, 1_500_000, 800_000, {"Comedy": 7, "Drama": 9}, 5, 9, None,
         (Seen(9, -(2**62) - 1, "a", 1_000_000), Seen(5, 2**62 + 1, "unknown", 500_000))),
    {16_000: Tile({"view": 1}, 500_000, 0, {"Drama": 2}, 5, 5), 16_001: Tile({"view": 1}, 1_000_000, first=9, last=9)},
)  # fmt: skip
CUSTOMER = Profile(Tile({"account": 1}, first=3, last=3, account=Account(3, 2**61 + 3, {"plan": "b", "tenure": "12"})))
SEARCHER = Profile(Tile({"search": 1}, first=1, last=1))
KNOWN = {"viewer": VIEWER, "customer": CUSTOMER, "searcher": SEARCHER}


def batch_of(profiles: dict[str, Profile]) -> pa.RecordBatch:
    """As Spark hands it over: maps in any order, days in any order."""
    rows = [
        {"user_id": user, "lifetime": of_tile(profile.lifetime), "days": days[::-1]}
        for user, profile in profiles.items()
        for days in [[{"day": day, "tile": of_tile(tile)} for day, tile in profile.days.items()]]
    ]
    return pa.RecordBatch.from_pylist(rows, to_arrow_schema(PROFILE))


def of_tile(tile: Tile) -> dict[str, Any]:
    account = tile.account and {
        **msgspec.structs.asdict(tile.account), "attributes": list(tile.account.attributes.items())[::-1],
    }  # fmt: skip
    return {
        **msgspec.structs.asdict(tile),
        "counts": list(tile.counts.items())[::-1],
        "genres": list(tile.genres.items())[::-1],
        "account": account,
        "history": [msgspec.structs.asdict(seen) for seen in tile.history],
    }


@pytest.mark.parametrize("users", [["viewer"], ["customer", "searcher"], ["searcher", "viewer", "customer"], []])
def test_profiles_come_out_of_arrow_bit_for_bit(users: list[str]) -> None:
    wanted = [KNOWN[user] for user in users]
    assert msgspec.msgpack.encode(profiles_of(batch_of({user: KNOWN[user] for user in users}))) == (
        msgspec.msgpack.encode(wanted)
    )


def test_a_part_of_a_batch_has_that_part_s_profiles() -> None:
    assert profiles_of(batch_of(KNOWN).slice(1, 2)) == [CUSTOMER, SEARCHER]


@pytest.mark.parametrize(
    ("users", "said"),
    [
        (["viewer", "customer"], [["recommend", "segment"], ["churn"]]),
        (["searcher"], [[]]),
        ([], []),
    ],
    ids=["who each use case knows", "nobody that any use case knows", "nobody at all"],
)
def test_scored_users_have_the_records_that_their_profiles_allow(
    users: list[str], said: list[list[str]], small_models: Models
) -> None:
    scoring = Scoring(small_models, "batch", 10, 11, 2)
    (scored,) = scored_users(scoring)(iter([batch_of({user: KNOWN[user] for user in users})]))
    rows = scored.to_pylist()
    assert [row["entity"] for row in rows] == [f"u:{user}" for user in users]
    assert [msgspec.msgpack.decode(row["profile"], type=Profile) for row in rows] == [KNOWN[user] for user in users]
    assert [[record["use_case"] for record in row["records"]] for row in rows] == said
    for row in rows:
        for record in row["records"]:
            stored = json.loads(record["record"])
            assert (stored["use_case"], stored["entity"]) == (record["use_case"], row["entity"])
