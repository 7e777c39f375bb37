"""Files by a mapping, and bronze: into silver, or into quarantine with reason and bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from batch.conform import Counts, conform_bronze
from batch.ingest import IngestReport, ingest
from batch.mapping import IngestError, Mapping, load_mapping
from lambda_arch.clock import parse_rfc3339
from lambda_arch.config import Config
from lambda_arch.lake import BRONZE, EVENTS, LABELS, POSTS, QUARANTINE, TITLES, Lake
from lambda_arch.schemas import RAW

pytestmark = pytest.mark.spark

RECEIVED = parse_rfc3339("2016-01-02T00:00:00Z")
RATINGS = Mapping(
    name="ratings",
    target="events",
    format="csv",
    columns={
        "event_id": "concat('r-', user, '-', film)",
        "event_type": "'rating'",
        "user_id": "user",
        "title_id": "film",
        "event_time": "cast(time as bigint) * 1000",
        "value": "cast(stars as double)",
    },
)
CSV = "user,film,stars,time\n1,31,2.5,1260759144\n1,32,9,1260759144\n2,31,,1260759144\n1,31,4,1260759200\n"


def rows(lake: Lake, table: Any, *columns: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(row) for row in lake.read(table).selectExpr(*columns).collect())


def written(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def take(lake: Lake, config: Config, mapping: Mapping, *paths: str) -> IngestReport:
    return ingest(lake, paths, mapping, RECEIVED, config.events)


def test_csv_goes_to_silver_and_its_broken_rows_to_quarantine_and_again_adds_nothing(
    lake: Lake, config: Config, tmp_path: Path
) -> None:
    path = written(tmp_path, "ratings.csv", CSV)
    report = take(lake, config, RATINGS, path)
    assert report.counts == Counts(received=4, valid=2, rejected=2, new=1)
    assert rows(lake, EVENTS, "event_id", "value", "topic", "offset") == [("r-1-31", 2.5, "file:ratings", 0)]
    rejected = rows(lake, QUARANTINE, "reason", "offset", "value")
    assert [(reason, offset) for reason, offset, _ in rejected] == [
        ("missing_field:value", 2),
        ("out_of_range:value", 1),
    ]
    assert json.loads(bytes(rejected[1][2])) == {
        "event_id": "r-1-32",
        "event_type": "rating",
        "user_id": "1",
        "title_id": "32",
        "event_time": 1260759144000,
        "value": 9.0,
    }

    assert take(lake, config, RATINGS, path).counts == Counts(received=4, valid=2, rejected=2, new=0)
    assert (lake.read(EVENTS).count(), lake.read(QUARANTINE).count()) == (1, 2)


def test_another_file_of_the_same_name_has_rejects_of_its_own(lake: Lake, config: Config, tmp_path: Path) -> None:
    path = written(tmp_path, "ratings.csv", CSV)
    take(lake, config, RATINGS, path)
    take(lake, config, RATINGS, written(tmp_path, "ratings.csv", CSV.replace("1,32,9", "1,32,8")))
    assert lake.read(QUARANTINE).where("reason = 'out_of_range:value'").count() == 2


def test_json_lines_give_titles_posts_and_labels(lake: Lake, config: Config, tmp_path: Path) -> None:
    lines = [
        {"id": "31", "name": "Dangerous Minds", "year": 1995, "genres": ["Drama"], "text": "a joy", "good": True},
        {"id": "32", "name": None, "year": None, "genres": [], "text": "", "good": None},
    ]
    path = written(tmp_path, "films.jsonl", "\n".join([*map(json.dumps, lines), "{broken"]))
    titles = Mapping(
        name="titles",
        target="titles",
        format="json",
        columns={"title_id": "id", "name": "name", "year": "cast(year as int)", "genres": "genres"},
    )
    assert take(lake, config, titles, path).counts == Counts(received=3, valid=1, rejected=2, new=1)
    assert [tuple(row) for row in lake.read(TITLES).collect()] == [
        ("31", "Dangerous Minds", 1995, ["Drama"], [], None, None)
    ]
    assert (b"{broken", "missing_field:title_id") in [
        (bytes(value), reason) for value, reason in rows(lake, QUARANTINE, "value", "reason")
    ]

    posts = {
        "post_id": "concat('p', id)",
        "title_id": "id",
        "text": "text",
        "event_time": "'2016-01-01T00:00:00+02:00'",
    }
    report = take(lake, config, Mapping(name="posts", target="posts", format="json", columns=posts), path)
    assert report.counts == Counts(received=3, valid=1, rejected=2, new=1)
    assert rows(lake, POSTS, "post_id", "cast(event_date as string)") == [("p31", "2015-12-31")]
    reasons = {reason for reason, topic in rows(lake, QUARANTINE, "reason", "topic") if topic == "file:posts"}
    assert reasons == {"missing_field:text", "not_json"}

    labels = Mapping(
        name="labels",
        target="labels",
        format="json",
        columns={"post_id": "concat('p', id)", "feeling": "if(cast(good as boolean), 'positive', 'negative')"},
        where="good is not null",
    )
    take(lake, config, labels, path)
    assert rows(lake, LABELS, "post_id", "feeling") == [("p31", "positive")]


def test_parquet_keeps_its_types_and_attributes_become_a_map(lake: Lake, config: Config, tmp_path: Path) -> None:
    path = tmp_path / "accounts.parquet"
    joined = pd.Timestamp("2015-06-01T12:00:00.123456Z")
    frame = pd.DataFrame({"id": ["c-1"], "tenure": [3], "charges": [29.85], "since": [joined]})
    frame.astype({"since": "datetime64[us, UTC]"}).to_parquet(path)
    accounts = Mapping(
        name="accounts",
        target="events",
        format="parquet",
        columns={
            "event_id": "concat('account-', id)",
            "event_type": "'account'",
            "user_id": "id",
            "event_time": "since",
            "properties": "map('tenure', cast(tenure as string), 'charges', cast(charges as string))",
        },
    )
    assert take(lake, config, accounts, str(path)).counts == Counts(1, 1, 0, 1)
    [(properties, time)] = rows(lake, EVENTS, "properties", "unix_micros(event_time)")
    assert properties == {"tenure": "3", "charges": "29.85"}
    assert time == parse_rfc3339("2015-06-01T12:00:00.123456Z")


def test_an_unknown_column_is_named_with_those_the_file_has(lake: Lake, config: Config, tmp_path: Path) -> None:
    mapping = RATINGS.model_copy(update={"columns": {**RATINGS.columns, "value": "cast(rating as double)"}})
    with pytest.raises(IngestError, match=r"(?s)mapping ratings: column value.*`rating`.*user, film, stars, time"):
        take(lake, config, mapping, written(tmp_path, "ratings.csv", CSV))


def test_a_wrong_type_of_a_title_is_named(lake: Lake, config: Config, tmp_path: Path) -> None:
    mapping = Mapping(
        name="titles", target="titles", format="csv", columns={"title_id": "id", "name": "name", "year": "year"}
    )
    with pytest.raises(IngestError, match="year: want int, have string; cast it"):
        take(lake, config, mapping, written(tmp_path, "titles.csv", "id,name,year\n1,Heat,1995\n"))


@pytest.mark.parametrize(
    ("text", "name", "form"),
    [(None, "absent.csv", "csv"), ("not parquet", "broken.parquet", "parquet")],
    ids=["a file that is absent", "a file of another format"],
)
def test_an_unreadable_file_is_named(
    lake: Lake, config: Config, tmp_path: Path, text: str | None, name: str, form: str
) -> None:
    path = str(tmp_path / name) if text is None else written(tmp_path, name, text)
    with pytest.raises(IngestError, match=f"{name}: not readable as {form}"):
        take(lake, config, RATINGS.model_copy(update={"format": form}), path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("colour: red", "unknown key colour"),
        ("columns: {film: x}", "events has no film; it has event_id"),
        ("columns: {event_id: x, event_type: y, event_time: z}", "events needs user_id"),
        ("format: avro", "format"),
        ("- a list", "want YAML"),
        ("a: [", "want YAML"),
    ],
)
def test_a_wrong_mapping_is_explained(tmp_path: Path, change: str, message: str) -> None:
    right = "target: events\nformat: csv\n"
    text = change if change.startswith(("-", "a:")) else f"{right}{change}\n"
    with pytest.raises(IngestError, match=message):
        load_mapping(Path(written(tmp_path, "mapping.yaml", text)))


def test_bronze_is_settled_once_and_only_what_is_new(lake: Lake, config: Config, spark: SparkSession) -> None:
    assert conform_bronze(lake, config) == Counts()
    lake.create(BRONZE)
    assert conform_bronze(lake, config) == Counts()

    event = {"event_id": "e1", "event_type": "search", "user_id": "u", "event_time": "2016-01-01T00:00:00Z"}
    post = {"post_id": "p1", "text": "good", "event_time": "2016-01-01T00:00:00Z", "title": "The Matrix"}
    sent = [("events", event), ("events", {**event, "user_id": "other"}), ("events", {}), ("posts", post), ("else", {})]
    received = pd.Timestamp(RECEIVED, unit="us", tz="UTC").to_pydatetime()
    records = [
        (topic, 0, offset, received, None, json.dumps(value).encode()) for offset, (topic, value) in enumerate(sent)
    ]
    lake.append(spark.createDataFrame(records, RAW), BRONZE)
    assert conform_bronze(lake, config) == Counts(received=4, valid=3, rejected=1, new=2)
    assert conform_bronze(lake, config) == Counts()
    assert rows(lake, EVENTS, "event_id", "user_id") == [("e1", "u")]
    assert rows(lake, POSTS, "post_id", "title_id") == [("p1", "the-matrix")]

    lake.append(spark.createDataFrame([("events", 1, 0, *records[0][3:])], RAW), BRONZE)
    assert conform_bronze(lake, config) == Counts(received=1, valid=1, rejected=0, new=0)
