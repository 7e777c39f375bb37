"""Schema versions of lake tables: newer ones are refused before a write, older ones brought up to date."""

from __future__ import annotations

import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from string import ascii_letters

import pytest
from audience import HORIZON, archive, event
from pyspark.sql import functions as F
from pyspark.sql import types as T

from batch.conform import conform_bronze
from batch.ingestion.ingest import ingest
from batch.ingestion.mapping import Mapping
from batch.intake import sources
from batch.known import known_before
from batch.pipeline import run_night
from lambda_arch.config import Config
from lambda_arch.lake import Lake
from lambda_arch.schemas import LABEL_1
from lambda_arch.store import Store
from lambda_arch.tables import (
    BRONZE,
    EVENTS,
    GENERATIONS,
    LABELS,
    POSTS,
    PREDICTIONS,
    QUARANTINE,
    TABLES,
    TITLES,
    LakeError,
    Table,
)

pytestmark = pytest.mark.spark

TITLES_CSV = Mapping(name="titles", target="titles", format="csv", columns={"title_id": "id", "name": "name"})


def without(table: Table, column: str, version: int) -> Table:
    fields = [field for field in table.schema if field.name != column]
    return replace(table, schema=T.StructType(fields), version=version)


def types(schema: T.StructType) -> dict[str, T.DataType]:
    return {field.name: field.dataType for field in schema}


def files(lake: Lake, table: Table) -> int:
    return int(lake.spark.sql(f"DESCRIBE DETAIL delta.`{lake.path(table)}`").collect()[0].numFiles)


def commits(lake: Lake, table: Table) -> int:
    return len(list(Path(lake.path(table), "_delta_log").glob("*.json")))


@pytest.mark.parametrize(("table", "column"), [(QUARANTINE, "file"), (GENERATIONS, "twins")])
def test_an_older_table_gets_its_columns_and_keeps_its_rows(lake: Lake, table: Table, column: str) -> None:
    older = without(table, column, 1)
    lake.create(older)
    lake.append(lake.spark.createDataFrame([{}], older.schema), older)
    lake.create(table)
    assert types(lake.read(table).schema) == types(table.schema)
    [row] = lake.read(table).collect()
    assert row[column] is None
    before = commits(lake, table)
    lake.create(table)
    assert commits(lake, table) == before
    with pytest.raises(LakeError, match=f"has schema version {table.version}, this program knows up to 1"):
        lake.check(older)


def test_labels_of_the_first_version_say_feelings_after_one_commit_and_keep_their_rows(lake: Lake) -> None:
    first = replace(LABELS, schema=LABEL_1, version=1, older=None)
    lake.create(first)
    lake.append(lake.spark.createDataFrame([("p1", True), ("p2", False), ("p3", None)], LABEL_1), first)
    lake.check(LABELS)
    assert lake.read(LABELS).schema.names == ["post_id", "positive"]
    lake.create(LABELS)
    assert lake.read(LABELS).schema == LABELS.schema
    said = {row.post_id: row.feeling for row in lake.read(LABELS).collect()}
    assert said == {"p1": "positive", "p2": "negative", "p3": None}
    history = lake.spark.sql(f"DESCRIBE HISTORY delta.`{lake.path(LABELS)}`").orderBy("version").collect()
    assert [row.operation for row in history] == ["CREATE TABLE", "WRITE", "WRITE", "SET TBLPROPERTIES"]
    before = commits(lake, LABELS)
    lake.create(LABELS)
    assert commits(lake, LABELS) == before
    with pytest.raises(LakeError, match="has schema version 2, this program knows up to 1"):
        lake.check(first)


def test_labels_whose_rewriting_was_stopped_before_the_version_are_finished(lake: Lake) -> None:
    lake.create(replace(LABELS, version=1, older=None))
    lake.append(lake.spark.createDataFrame([("p1", "neutral")], LABELS.schema), LABELS)
    lake.create(LABELS)
    assert [row.feeling for row in lake.read(LABELS).collect()] == ["neutral"]
    with pytest.raises(LakeError):
        lake.check(replace(LABELS, version=1, older=None))


def test_a_table_without_a_version_is_the_first(lake: Lake) -> None:
    lake.create(without(QUARANTINE, "file", 1))
    place = f"ALTER TABLE delta.`{lake.path(QUARANTINE)}`"
    lake.spark.sql(f"{place} UNSET TBLPROPERTIES ('lambda_arch.schema')")
    lake.create(QUARANTINE)
    assert types(lake.read(QUARANTINE).schema) == types(QUARANTINE.schema)


def test_a_version_half_way_is_finished(lake: Lake) -> None:
    lake.create(replace(QUARANTINE, version=1))
    lake.create(QUARANTINE)
    with pytest.raises(LakeError):
        lake.check(replace(QUARANTINE, version=1))


def test_the_log_of_what_is_said_of_people_names_nobody(lake: Lake) -> None:
    lake.create(replace(PREDICTIONS, version=1, extremes=()))
    lake.create(PREDICTIONS)
    said = [{"generation": 1, "entity": "u:anna", "use_case": "churn", "record": '{"entity":"u:anna"}'}]
    lake.append(lake.spark.createDataFrame(said, PREDICTIONS.schema), PREDICTIONS)
    log = [path.read_text() for path in Path(lake.path(PREDICTIONS), "_delta_log").glob("*.json")]
    assert any("minValues" in text for text in log)
    assert not any("anna" in text for text in log)


def test_a_table_that_differs_by_more_is_refused_with_its_columns(lake: Lake) -> None:
    other = T.StructType([*EVENTS.schema.fields[1:], T.StructField("event_id", T.IntegerType())])
    lake.create(replace(EVENTS, schema=other))
    with pytest.raises(LakeError, match=r"silver/events of schema version 2 has event_id int, .*: move the table away"):
        lake.create(QUARANTINE, EVENTS)
    assert not lake.exists(QUARANTINE)


def test_ingestion_and_night_refuse_a_newer_table_before_they_write(
    lake: Lake, config: Config, store_url: str, tmp_path: Path
) -> None:
    lake.create(replace(TITLES, version=7))
    (tmp_path / "titles.csv").write_text("id,name\n1,Heat\n")
    told = "lake table silver/titles has schema version 7, this program knows up to 1: upgrade the program, or set"
    with pytest.raises(LakeError, match=told):
        ingest(lake, [str(tmp_path / "titles.csv")], TITLES_CSV, 0, config.events)
    with pytest.raises(LakeError, match=told):
        run_night(lake, Store(store_url, 1), config, 0, say=lambda _: None)
    assert commits(lake, TITLES) == 1
    assert [table for table in TABLES if lake.exists(table)] == [TITLES]


def test_a_table_that_was_seen_half_made_is_found_when_it_is_made(lake: Lake, tmp_path: Path) -> None:
    elsewhere = Lake(lake.spark, str(tmp_path / "elsewhere"), "test")
    elsewhere.create(TITLES)
    Path(lake.path(TITLES), "_delta_log").mkdir(parents=True)
    assert not lake.exists(TITLES)
    shutil.copytree(elsewhere.path(TITLES), lake.path(TITLES), dirs_exist_ok=True)
    assert lake.exists(TITLES)


def test_rivals_who_insert_the_same_rows_insert_each_once(lake: Lake) -> None:
    titles = [f"t{number}" for number in range(40)]

    def insert(first: int) -> int:
        lake.create(TITLES)
        rows = [{**dict.fromkeys(TITLES.schema.names), "title_id": title} for title in titles[first:] + titles[:first]]
        return lake.insert_new(lake.spark.createDataFrame(rows, TITLES.schema), TITLES, "title_id")

    with ThreadPoolExecutor(4) as rivals:
        inserted = list(rivals.map(insert, (0, 10, 20, 30)))
    assert sum(inserted) == len(titles)
    assert sorted(row.title_id for row in lake.read(TITLES).collect()) == sorted(titles)


def test_many_small_files_become_few_with_the_same_rows_and_nobody_notices(lake: Lake, config: Config) -> None:
    def arrive(first: int) -> None:
        for offset in range(first, first + 8):
            archive(lake, "events", [{"event_id": f"e{offset}"}], offset)

    lake.create(BRONZE)
    arrive(0)
    assert conform_bronze(lake, config).received == 8
    before = lake.read(BRONZE).orderBy("offset").collect()
    then = lake.version(BRONZE)
    assert lake.compact(BRONZE, 128) == (8, 1)
    assert files(lake, BRONZE) == 1
    assert lake.read(BRONZE).orderBy("offset").collect() == before
    assert lake.read(BRONZE, then).orderBy("offset").collect() == before
    # Neither is the table's stream told of the rows again, nor does one file alone become another.
    assert conform_bronze(lake, config).received == 0
    assert lake.compact(BRONZE, 128) == (0, 0)
    arrive(8)
    assert conform_bronze(lake, config).received == 8
    assert lake.compact(BRONZE, 128) == (9, 1)
    assert [row.offset for row in lake.read(BRONZE).orderBy("offset").collect()] == list(range(16))


def test_files_grow_no_larger_than_they_are_to_be(lake: Lake) -> None:
    lake.create(BRONZE)
    for part in range(4):
        noise = random.Random(part)
        records = [{"noise": "".join(noise.choices(ascii_letters, k=7_000))} for _ in range(100)]
        archive(lake, "events", records, 100 * part)
    assert lake.compact(BRONZE, 1) == (0, 0)
    assert lake.compact(BRONZE, 2) == (4, 2)


def test_what_was_read_for_a_night_stays_what_it_was(lake: Lake, config: Config) -> None:
    lake.create(*TABLES)

    def arrive(offset: int) -> None:
        archive(lake, "events", [event(f"e{offset}", "search", "u", HORIZON - 1)], offset)
        post = {"post_id": f"p{offset}", "text": "good", "event_time": "2016-01-01T00:00:00Z"}
        archive(lake, "posts", [post], offset)
        conform_bronze(lake, config)

    arrive(0)
    known = known_before(lake, HORIZON, 10)
    read = lake.version(POSTS)
    arrive(1)
    lake.compact(EVENTS, 128)
    assert (known.events.count(), known.posts.count()) == (1, 1)
    told = sources(known)
    assert (told["silver/posts"].rows, told["silver/posts"].version) == (1, read)
    assert lake.read(POSTS).count() == 2


def test_rival_writers_of_a_table_lose_nothing(lake: Lake) -> None:
    lake.create(TITLES)
    titles = [f"t{number}" for number in range(12)]
    empty = dict.fromkeys(TITLES.schema.names)

    def insert(title: str) -> None:
        frame = lake.spark.createDataFrame([{**empty, "title_id": title}], TITLES.schema)
        assert lake.insert_new(frame, TITLES, "title_id") == 1

    with ThreadPoolExecutor(4) as rivals:
        list(rivals.map(insert, titles))
    named = lake.read(TITLES).select("title_id", F.lower("title_id").alias("name"))
    assert lake.update_known(named, TITLES, "title_id", where="stored.title_id <> 't3'") == 11
    found = {row.title_id: row.name for row in lake.read(TITLES).collect()}
    assert found == {title: None if title == "t3" else title for title in titles}
