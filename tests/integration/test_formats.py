"""Every format gives the same rows to the mapping, with the same coordinates again; broken files are one line."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import fastavro
import pytest
from mappings import RATINGS
from pyspark.sql import SparkSession

from batch.ingestion.ingest import ingest
from batch.ingestion.mapping import Format, IngestError, Mapping
from batch.ingestion.report import IngestReport
from lambda_arch.clock import parse_rfc3339
from lambda_arch.config import Config
from lambda_arch.lake import Lake
from lambda_arch.silver import Counts
from lambda_arch.tables import EVENTS, QUARANTINE

pytestmark = pytest.mark.spark

RECEIVED = parse_rfc3339("2016-01-02T00:00:00Z")
ROWS: list[dict[str, Any]] = [
    {"user": f"u{nth}", "film": "31", "stars": 9.0 if nth == 3 else 2.5, "time": 1260759144 + nth} for nth in range(5)
]
SCHEMA = {
    "type": "record",
    "name": "Rating",
    "fields": [
        {"name": "user", "type": "string"},
        {"name": "film", "type": ["null", "string"]},
        {"name": "stars", "type": "double"},
        {"name": "time", "type": "long"},
    ],
}
Write = Callable[[SparkSession, Path], None]


def avro(_: SparkSession, path: Path) -> None:
    with path.open("wb") as file:
        fastavro.writer(file, SCHEMA, ROWS)


def orc(spark: SparkSession, path: Path) -> None:
    spark.createDataFrame(ROWS).coalesce(1).write.orc(str(path))


def sqlite(_: SparkSession, path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE ratings (user TEXT, film INTEGER, stars REAL, time INTEGER)")
        database.executemany("INSERT INTO ratings VALUES (:user, :film, :stars, :time)", ROWS)


def sequence_of_json(spark: SparkSession, path: Path) -> None:
    pairs = [(nth, json.dumps(row)) for nth, row in enumerate(ROWS)]
    spark.sparkContext.parallelize(pairs, 1).saveAsSequenceFile(f"file://{path}")


def sequence_of_bytes(spark: SparkSession, path: Path) -> None:
    pairs = [("", bytearray("|".join(map(str, row.values())), "utf-8")) for row in ROWS]
    codec = "org.apache.hadoop.io.compress.GzipCodec"
    spark.sparkContext.parallelize(pairs, 1).saveAsSequenceFile(f"file://{path}", codec)


def mapping(form: Format, **options: str) -> Mapping:
    return Mapping(name="ratings", target="events", format=form, columns=RATINGS.columns, options=options)


def take(lake: Lake, config: Config, of: Mapping, *paths: Path) -> IngestReport:
    return ingest(lake, [str(path) for path in paths], of, RECEIVED, config.events, rejects=5)


FORMATS = {
    "avro": (avro, mapping("avro")),
    "orc": (orc, mapping("orc")),
    "sqlite by table": (sqlite, mapping("sqlite", table="ratings")),
    "sqlite by query": (sqlite, mapping("sqlite", query="SELECT * FROM ratings ORDER BY time")),
    "SequenceFile of JSON": (sequence_of_json, mapping("sequencefile", fields="user, film, stars, time")),
    "SequenceFile of delimited bytes": (
        sequence_of_bytes,
        mapping("sequencefile", fields="user,film,stars,time", sep="|"),
    ),
}


@pytest.mark.parametrize(("write", "of"), FORMATS.values(), ids=FORMATS)
def test_a_format_gives_events_and_rejects_by_row_and_again_adds_nothing(
    lake: Lake, config: Config, spark: SparkSession, tmp_path: Path, write: Write, of: Mapping
) -> None:
    path = tmp_path / "my ratings"
    write(spark, path)
    report = take(lake, config, of, path)
    assert report.counts == Counts(received=5, valid=4, rejected=1, new=4)
    assert [(reject.row, reject.reason) for reject in report.rejects] == [(4, "out_of_range:value")]
    assert sorted(lake.read(EVENTS).select("user_id", "offset", "value").collect()) == [
        (f"u{nth}", nth, 2.5) for nth in (0, 1, 2, 4)
    ]
    [row] = lake.read(QUARANTINE).select("offset", "file").collect()
    assert row.offset == 3
    assert row.file.startswith(str(path))

    assert take(lake, config, of, path).counts == Counts(received=5, valid=4, rejected=1, new=0)
    assert (lake.read(EVENTS).count(), lake.read(QUARANTINE).count()) == (4, 1)


def test_a_sequence_files_key_and_value_are_columns(
    lake: Lake, config: Config, spark: SparkSession, tmp_path: Path
) -> None:
    sequence_of_json(spark, tmp_path / "seq")
    columns = RATINGS.columns | {"event_id": "concat('r-', key)", "user_id": "get_json_object(value, '$.user')"}
    columns |= {"title_id": "'31'", "event_time": "'2009-12-14T02:52:24Z'", "value": "2.5"}
    of = Mapping(name="seq", target="events", format="sequencefile", columns=columns)
    assert take(lake, config, of, tmp_path / "seq").counts.new == 5
    assert sorted(row.event_id for row in lake.read(EVENTS).collect()) == [f"r-{nth}" for nth in range(5)]


def test_avro_with_times_lists_and_records_is_read_as_text(lake: Lake, config: Config, tmp_path: Path) -> None:
    when = {"type": "long", "logicalType": "timestamp-millis"}
    fields = [
        {"name": "at", "type": when},
        {"name": "who", "type": {"type": "record", "name": "Who", "fields": [{"name": "id", "type": "bytes"}]}},
        {"name": "tags", "type": {"type": "map", "values": ["null", "boolean"]}},
    ]
    record = {"at": 1451692800123, "who": {"id": b"u-1"}, "tags": {"kids": True}}
    with (tmp_path / "views.avro").open("wb") as file:
        fastavro.writer(file, {"type": "record", "name": "View", "fields": fields}, [record])
    columns = {
        "event_id": "'e'",
        "event_type": "'support'",
        "user_id": "who.id",
        "event_time": "at",
        "properties": "tags",
    }
    of = Mapping(name="views", target="events", format="avro", columns=columns)
    late = parse_rfc3339("2016-01-03T00:00:00Z")
    assert ingest(lake, [str(tmp_path)], of, late, config.events).counts.new == 1
    [row] = lake.read(EVENTS).selectExpr("user_id", "unix_millis(event_time)", "properties").collect()
    assert tuple(row) == ("u-1", 1451692800123, {"kids": "true"})


def test_a_database_is_read_by_jdbc_in_one_order(lake: Lake, config: Config, spark: SparkSession) -> None:
    options = {"url": "jdbc:derby:memory:ratings", "dbtable": "ratings"}
    frame = spark.createDataFrame(ROWS).select("user", "film", "stars", "time")
    frame.repartition(2).write.format("jdbc").options(**{**options, "url": f"{options['url']};create=true"}).save()
    columns = {name: column.replace("user", "`user`") for name, column in RATINGS.columns.items()}
    of = Mapping(name="ratings", target="events", format="jdbc", columns=columns, options=options)
    report = take(lake, config, of)
    assert report.counts == Counts(received=5, valid=4, rejected=1, new=4)
    assert [file.file for file in report.files] == ["jdbc:ratings"]
    assert take(lake, config, of).counts.new == 0
    assert lake.read(QUARANTINE).count() == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "jdbc:nowhere://h/d", "dbtable": "t"}, r"jdbc: No suitable driver; .*driver's jar"),
        (
            {"url": "jdbc:x://h/d", "dbtable": "t", "driver": "no.Such"},
            r"ClassNotFoundException: no\.Such; .*driver's jar",
        ),
    ],
    ids=["no driver takes the url", "the driver's class is not there"],
)
def test_a_missing_driver_is_a_line(lake: Lake, config: Config, options: dict[str, str], message: str) -> None:
    with pytest.raises(IngestError, match=message):
        take(lake, config, mapping("jdbc", **options))


def halved(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def half_an_avro(_: SparkSession, path: Path) -> None:
    with path.open("wb") as file:
        fastavro.writer(file, SCHEMA, ROWS * 1000)
    halved(path)


def half_a_database(spark: SparkSession, path: Path) -> None:
    sqlite(spark, path)
    halved(path)


def half_a_sequence(spark: SparkSession, path: Path) -> None:
    sequence_of_json(spark, folder := path.with_suffix(".d"))
    shutil.copy(folder / "part-00000", path)
    halved(path)


def half_a_gzip(_: SparkSession, path: Path) -> None:
    lines = "user,film,stars,time\n" + "".join(f"u{nth * 7919 % 9973},31,2.5,1260759144\n" for nth in range(9000))
    path.write_bytes(gzip.compress(lines.encode()))
    halved(path)


def nonsense(_: SparkSession, path: Path) -> None:
    path.write_text("this is not what it is named")


def nothing(_: SparkSession, path: Path) -> None:
    path.write_bytes(b"")


def absent(_: SparkSession, path: Path) -> None:
    assert not path.exists()


def heading_only(_: SparkSession, path: Path) -> None:
    path.write_text("user,film,stars,time\n")


FILES: dict[str, tuple[Write, Mapping, str, str]] = {
    "half a gzip": (half_a_gzip, mapping("csv"), "r.csv.gz", "Unexpected end of input stream"),
    "half an Avro file": (half_an_avro, mapping("avro"), "r.avro", "not readable as avro: "),
    "half a database": (half_a_database, mapping("sqlite", table="ratings"), "r.db", "malformed; check"),
    "half a SequenceFile": (half_a_sequence, mapping("sequencefile", fields="user,film,stars,time"), "r.seq", "EOF"),
    "no Avro": (nonsense, mapping("avro"), "r.avro", "does not begin as an Avro file does"),
    "no database": (nonsense, mapping("sqlite", table="ratings"), "r.db", "file is not a database"),
    "no such table": (sqlite, mapping("sqlite", table="films"), "r.db", "no such table: films"),
    "no ORC": (nonsense, mapping("orc"), "r.orc", "not readable as orc: "),
    "no SequenceFile": (nonsense, mapping("sequencefile"), "r.seq", "not a SequenceFile"),
    "no Parquet": (nonsense, mapping("parquet"), "r.parquet", "is not a Parquet file"),
    "an empty CSV": (nothing, mapping("csv"), "r.csv", "empty: there are no columns in it"),
    "an empty Avro file": (nothing, mapping("avro"), "r.avro", "does not begin as an Avro file does"),
    "an empty Parquet": (nothing, mapping("parquet"), "r.parquet", "is not a Parquet file"),
    "a CSV with a heading only": (heading_only, mapping("csv"), "r.csv", "no rows; give files with rows"),
    "no file": (absent, mapping("csv"), "r.csv", "Path does not exist"),
    "no Avro file": (absent, mapping("avro"), "r.avro", "Path does not exist"),
}


@pytest.mark.parametrize(("write", "of", "name", "message"), FILES.values(), ids=FILES)
def test_a_broken_file_is_a_line_without_a_trace_and_nothing_is_written(
    lake: Lake,
    config: Config,
    spark: SparkSession,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    write: Write,
    of: Mapping,
    name: str,
    message: str,
) -> None:
    path = tmp_path / name
    write(spark, path)
    with pytest.raises(IngestError, match=message) as told:
        take(lake, config, of, path)
    assert str(path) in str(told.value)
    assert len(str(told.value).splitlines()) == 1
    assert "Exception" not in capfd.readouterr().err
    assert not Path(config.paths.lake).exists()


def test_a_second_file_with_other_columns_is_named(lake: Lake, config: Config, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user,film,stars,time\nu1,31,2.5,1260759144\n")
    (tmp_path / "b.csv").write_text("film,user,stars,time\n31,u1,2.5,1260759144\n")
    with pytest.raises(IngestError, match="CSV header does not conform to the schema"):
        take(lake, config, mapping("csv"), tmp_path / "a.csv", tmp_path / "b.csv")


@pytest.mark.parametrize(
    ("form", "options", "message"),
    [
        ("sqlite", {}, "sqlite needs either table or query"),
        ("sqlite", {"table": "a", "query": "b"}, "sqlite needs either table or query"),
        ("jdbc", {"dbtable": "t"}, "jdbc needs url"),
        ("jdbc", {"url": "jdbc:x"}, "jdbc needs either dbtable or query"),
        ("avro", {"sep": ","}, "avro has no sep"),
    ],
)
def test_options_are_checked(form: Format, options: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mapping(form, **options)


def test_files_are_wanted_or_not(lake: Lake, config: Config) -> None:
    with pytest.raises(IngestError, match="avro reads files: give their paths"):
        take(lake, config, mapping("avro"))
    with pytest.raises(IngestError, match="csv reads files: give their paths"):
        take(lake, config, mapping("csv"))
    with pytest.raises(IngestError, match=r"jdbc reads a database: leave out a\.csv"):
        take(lake, config, mapping("jdbc", url="jdbc:x", dbtable="t"), Path("a.csv"))
