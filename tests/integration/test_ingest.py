"""Files by a mapping, and bronze: into silver, or into quarantine with reason and bytes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mappings import RATINGS
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from batch.conform import conform_bronze
from batch.ingestion.ingest import ingest
from batch.ingestion.mapping import IngestError, Mapping, load_mapping
from batch.ingestion.report import FileCounts, IngestReport
from jobs.cli import app
from lambda_arch.clock import parse_rfc3339
from lambda_arch.config import Config
from lambda_arch.lake import Lake
from lambda_arch.schemas import RAW
from lambda_arch.silver import Counts
from lambda_arch.tables import BRONZE, EVENTS, LABELS, POSTS, QUARANTINE, TITLES

pytestmark = pytest.mark.spark

RECEIVED = parse_rfc3339("2016-01-02T00:00:00Z")
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


def test_a_dry_run_counts_shows_the_first_rejects_and_writes_nothing(
    lake: Lake, config: Config, tmp_path: Path
) -> None:
    (tmp_path / "more").mkdir()
    paths = written(tmp_path, "a.csv", CSV), written(tmp_path / "more", "b.csv", CSV.replace("1,31,", "3,31,"))
    for there in (False, True):
        if there:
            take(lake, config, RATINGS, paths[0])
        before = {path: path.stat().st_mtime_ns for path in Path(config.paths.lake).rglob("*")}
        told = ingest(lake, paths, RATINGS, RECEIVED, config.events, dry_run=True, rejects=3)
        assert {path: path.stat().st_mtime_ns for path in Path(config.paths.lake).rglob("*")} == before
        assert told.counts == Counts(received=8, valid=4, rejected=4, new=1 if there else 2)
        assert told.files == (
            FileCounts(paths[0], rows=4, valid=2, new=0 if there else 1, rejected=2),
            FileCounts(paths[1], rows=4, valid=2, new=1, rejected=2),
        )
        assert told.reasons == {"missing_field:value": 2, "out_of_range:value": 2}
        assert [(reject.file, reject.row, reject.reason) for reject in told.rejects] == [
            (paths[0], 2, "out_of_range:value"),
            (paths[0], 3, "missing_field:value"),
            (paths[1], 2, "out_of_range:value"),
        ]
        assert json.loads(told.rejects[0].record)["title_id"] == "32"
    assert take(lake, config, RATINGS, *paths).files == told.files


def test_the_command_reports_in_tables_and_in_json(
    lake: Lake, spark: SparkSession, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambda_arch.session.spark_session", lambda *_: spark)
    monkeypatch.setattr("jobs.ingest_files.load_config", lambda: config)
    monkeypatch.setattr(spark, "stop", lambda: None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ratings.yaml").write_text(RATINGS.model_dump_json(), encoding="utf-8")
    command = ["ingest", written(tmp_path, "ratings.csv", CSV), "--mapping", "ratings.yaml", "--rejects", "1"]
    dry = CliRunner().invoke(app, [*command, "--dry-run"])
    assert dry.exit_code == 0, dry.exception
    lines = [" ".join(line.split()) for line in dry.stdout.splitlines()]
    assert lines[:5] == [
        "file rows valid new rejected",
        "ratings.csv 4 2 1 2",
        "reason rejected",
        "missing_field:value 1",
        "out_of_range:value 1",
    ]
    assert lines[5].startswith('ratings.csv:2: out_of_range:value: {"event_id":"r-1-32"')
    assert lines[6:] == [
        "ratings: 4 rows: 2 valid, 1 of them would be new in events; 2 rejected, would go into quarantine"
    ]
    assert dry.stderr.splitlines() == ["ratings: reading", "ratings: checking"]
    real = CliRunner().invoke(app, [*command, "--json"])
    told = json.loads(real.stdout)
    assert told["counts"] == {"received": 4, "valid": 2, "rejected": 2, "new": 1}
    assert (told["dry_run"], told["rejects"][0]["row"]) == (False, 2)
    assert lake.read(EVENTS).count() == 1


def test_rejects_name_their_file_in_quarantine(lake: Lake, config: Config, tmp_path: Path) -> None:
    path = written(tmp_path, "the ratings.csv", CSV)
    take(lake, config, RATINGS, path)
    assert rows(lake, QUARANTINE, "file", "offset + 1") == [(path, 2), (path, 3)]


def test_rows_have_the_same_numbers_however_the_file_is_cut(
    lake: Lake, config: Config, spark: SparkSession, tmp_path: Path
) -> None:
    lines = [f"u{nth},31,{'x' if nth % 10 == 0 else 2.5},1260759144" for nth in range(500)]
    path = written(tmp_path, "ratings.csv", "\n".join(["user,film,stars,time", *lines]))
    some = RATINGS.model_copy(update={"where": "user != 'u7'"})
    spark.conf.set("spark.sql.files.maxPartitionBytes", "1000")
    try:
        assert spark.read.csv(path).rdd.getNumPartitions() > 5
        report = ingest(lake, [path], some, RECEIVED, config.events, rejects=3)
    finally:
        spark.conf.unset("spark.sql.files.maxPartitionBytes")
    assert report.counts == Counts(received=499, valid=449, rejected=50, new=449)
    assert report.files[0].rows == 500
    assert [reject.row for reject in report.rejects] == [1, 11, 21]
    assert all(user == f"u{offset}" for user, offset in rows(lake, EVENTS, "user_id", "offset"))
    assert rows(lake, QUARANTINE, "offset") == [(nth,) for nth in range(0, 500, 10)]
    assert take(lake, config, some, path).counts.new == 0
    assert lake.read(QUARANTINE).count() == 50


def test_the_readmes_ten_lines_take_the_readmes_ratings(lake: Lake, config: Config, tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    blocks: dict[str, str] = dict(re.findall(r"`(ratings\.\w+)`:\n\n```\w*\n(.*?)```", readme, re.DOTALL))
    assert len(blocks["ratings.yaml"].splitlines()) <= 10
    path = written(tmp_path, "ratings.csv", blocks["ratings.csv"])
    mapping = load_mapping(Path(written(tmp_path, "ratings.yaml", blocks["ratings.yaml"])))
    report = ingest(lake, [path], mapping, RECEIVED, config.events, rejects=10)
    assert report.counts == Counts(received=3, valid=2, rejected=1, new=2)
    assert [f"{Path(told.file).name}:{told.row}: {told.reason}" for told in report.rejects] == [
        "ratings.csv:3: out_of_range:value"
    ]
    assert "ratings.csv:3: out_of_range:value" in readme


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


def test_labels_without_their_column_are_named(lake: Lake, config: Config, tmp_path: Path) -> None:
    labels = Mapping(name="labels", target="labels", format="csv", columns={"post_id": "id", "feeling": "good"})
    with pytest.raises(
        IngestError, match=r"mapping labels: column feeling: .*`good`.*the file has the columns id, text"
    ):
        take(lake, config, labels, written(tmp_path, "labels.csv", "id,text\n1,well\n"))
    with pytest.raises(ValueError, match="labels needs feeling; add an expression"):
        Mapping(name="labels", target="labels", format="csv", columns={"post_id": "id"})


def test_a_label_says_a_known_feeling(lake: Lake, config: Config, tmp_path: Path) -> None:
    labels = Mapping(name="labels", target="labels", format="csv", columns={"post_id": "id", "feeling": "said"})
    path = written(tmp_path, "labels.csv", "id,said\n1,positive\n2,hilarious\n3,\n")
    assert take(lake, config, labels, path).reasons == {"missing_field:feeling": 1, "out_of_range:feeling": 1}
    assert rows(lake, LABELS, "post_id", "feeling") == [("1", "positive")]


def test_a_value_of_a_wrong_type_is_a_reject_with_its_row(lake: Lake, config: Config, tmp_path: Path) -> None:
    mapping = RATINGS.model_copy(update={"columns": {**RATINGS.columns, "value": "stars", "event_time": "time"}})
    path = written(tmp_path, "ratings.csv", "user,film,stars,time\n1,31,good,1260759144000\n1,32,3,yesterday\n")
    report = ingest(lake, [path], mapping, RECEIVED, config.events, rejects=2)
    assert [(told.row, told.reason) for told in report.rejects] == [(1, "bad_type:value"), (2, "bad_time")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("colour: red", "unknown key colour"),
        ("columns: {film: x}", "events has no film; it has event_id"),
        ("columns: {event_id: x, event_type: y, event_time: z}", "events needs user_id"),
        ("format: xml", "format: Input should be 'csv', 'json'"),
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
