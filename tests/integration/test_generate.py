"""The generator keeps the contract, its counts and its word: what it planted can be found again."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from batch.ingestion.mapping import FIELDS, load_mapping
from generate import files, parts
from generate.opinions import NEGATIVE, POSITIVE
from generate.pipeline import GenerateReport, generate, generated_lines
from generate.plan import DAY, GenerateError, Plan
from jobs.cli import app
from streaming.produce import read_records

START = 1_767_225_600_000
PLAN = Plan(
    events=60_000, users=1_500, titles=120, days=60, start=START, seed=7, posts=6_000,
    duplicates=0.02, disorder=0.05, late=0.03,
)  # fmt: skip
TYPES = {"view", "rating", "list_add", "search", "account", "support", "cancel", "impression"}
Rows = list[dict[str, Any]]


def made(folder: Path, plan: Plan = PLAN, lines: bool = False) -> GenerateReport:
    return generate(plan, folder, lines, lambda more: None)


def rows_of(folder: Path, name: str) -> Rows:
    found = sorted((folder / name).glob("*.parquet"))
    return [row for path in found for row in pq.read_table(path).to_pylist()]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PLAN's files, in parts and files smaller than usual, so that there are several of each."""
    folder = tmp_path_factory.mktemp("service")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "PART_EVENTS", 9_000)
        patch.setattr(files, "FILE_ROWS", 25_000)
        report = made(folder, lines=True)
    (folder / "report.json").write_text(json.dumps(dataclasses.asdict(report)))
    return folder


@pytest.fixture(scope="module")
def events(service: Path) -> Rows:
    return rows_of(service, "events")


@pytest.fixture(scope="module")
def report(service: Path) -> dict[str, Any]:
    return dict(json.loads((service / "report.json").read_text()))


@pytest.fixture(scope="module")
def users(service: Path) -> dict[str, dict[str, Any]]:
    return {row["user_id"]: row for row in pq.read_table(service / "truth" / "users.parquet").to_pylist()}


@pytest.fixture(scope="module")
def titles(service: Path) -> dict[str, dict[str, Any]]:
    return {row["title_id"]: row for row in pq.read_table(service / "truth" / "titles.parquet").to_pylist()}


def fault(event: dict[str, Any]) -> str | None:
    """What breaks the contract, by its words and not by the project's code."""
    kind, value, title = event["event_type"], event.get("value"), event.get("title_id")
    ranges = {"view": (0.0, 1.0), "rating": (0.5, 5.0)}
    low, high = ranges.get(kind, (0.0, 0.0))
    checks = {
        "event_id": isinstance(event["event_id"], str) and 1 <= len(event["event_id"]) <= 64,
        "event_type": kind in TYPES,
        "user_id": re.fullmatch(r"u-\d{1,9}", event["user_id"]) is not None,
        "title_id": title is not None if kind in ("view", "rating", "list_add", "impression") else title is None,
        "event_time": START <= millis(event["event_time"]) < START + PLAN.days * DAY,
        "value": isinstance(value, int | float) and low <= value <= high if kind in ranges else value is None,
        "properties": all(isinstance(k, str) and isinstance(v, str) for k, v in dict(event["properties"]).items()),
        "account": kind != "account" or {"contract", "monthly_charges", "tenure"} <= set(dict(event["properties"])),
    }
    return next((name for name, holds in checks.items() if not holds), None)


def millis(moment: int | str) -> int:
    if isinstance(moment, int):
        return moment
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", moment)
    return round(datetime.fromisoformat(moment).timestamp() * 1000)


def correlation(left: list[float], right: list[float]) -> float:
    return float(np.corrcoef(left, right)[0, 1])


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path: Path) -> None:
    small = dataclasses.replace(PLAN, events=12_000, posts=500)
    made(tmp_path / "a", small, lines=True)
    made(tmp_path / "b", small, lines=True)
    made(tmp_path / "c", dataclasses.replace(small, seed=8), lines=True)
    first, again, other = (contents(tmp_path / name) for name in "abc")
    assert first == again
    assert first.keys() == other.keys()
    assert {name for name in first if first[name] == other[name]} == {
        "events.yaml", "posts.yaml", "titles.yaml", "labels.yaml",
    }  # fmt: skip


def test_counts_add_up(events: Rows, report: dict[str, Any], service: Path) -> None:
    assert len(events) == report["events"] == PLAN.events
    assert dict(Counter(event["event_type"] for event in events)) == report["by_type"]
    assert report["duplicates"] == PLAN.events * PLAN.duplicates
    assert len({event["event_id"] for event in events}) == PLAN.events - report["duplicates"]
    assert len(rows_of(service, "posts")) == len(rows_of(service, "labels")) == report["posts"] == PLAN.posts
    assert len(rows_of(service, "titles")) == PLAN.titles
    assert [pq.read_metadata(p).num_rows for p in sorted((service / "events").iterdir())] == [25_000, 25_000, 10_000]


def test_every_event_keeps_the_contract(events: Rows) -> None:
    assert [event for event in events if fault(event)] == []
    assert {event["event_type"] for event in events} == TYPES


def test_every_post_keeps_the_contract(service: Path, titles: dict[str, Any]) -> None:
    posts = rows_of(service, "posts")
    assert len({post["post_id"] for post in posts}) == len(posts)
    assert all(1 <= len(post["text"]) <= 10_000 and post["title_id"] in titles for post in posts)
    assert all(START <= post["event_time"] < START + PLAN.days * DAY for post in posts)


def test_duplicates_have_the_same_id_and_content(events: Rows) -> None:
    told: dict[str, dict[str, Any]] = {}
    for event in ({name: event[name] for name in FIELDS["events"]} for event in events):
        assert told.setdefault(event["event_id"], event) == event


def test_the_log_is_in_the_order_of_arrival_with_the_shares_asked_for(events: Rows, report: dict[str, Any]) -> None:
    arrivals = [event["arrival_time"] for event in events]
    assert arrivals == sorted(arrivals)
    first = {event["event_id"]: event for event in reversed(events)}.values()
    late = sum(event["arrival_time"] - event["event_time"] >= DAY for event in first)
    assert late == report["late"]
    assert late / len(first) == pytest.approx(PLAN.late, rel=0.15)
    assert report["disordered"] / len(first) == pytest.approx(PLAN.disorder, rel=0.15)
    newest, overtaken = 0, 0
    for event in events:
        overtaken += event["event_time"] < newest
        newest = max(newest, event["event_time"])
    assert overtaken / PLAN.events == pytest.approx(PLAN.late + PLAN.disorder + PLAN.duplicates, rel=0.15)


def test_without_shares_the_log_is_in_order_and_each_event_once(tmp_path: Path) -> None:
    made(tmp_path / "x", dataclasses.replace(PLAN, events=9_000, duplicates=0, disorder=0, late=0))
    told = rows_of(tmp_path / "x", "events")
    times = [event["event_time"] for event in told]
    assert times == sorted(times)
    assert len({event["event_id"] for event in told}) == 9_000


def test_lines_without_files_are_those_of_the_files_by_time(tmp_path: Path) -> None:
    plan = dataclasses.replace(PLAN, events=9_000, posts=500, duplicates=0, disorder=0, late=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "PART_EVENTS", 4_000)
        made(tmp_path / "x", plan, lines=True)
        lines = list(generated_lines(plan))
    written = [line for path in (tmp_path / "x" / "lines").iterdir() for line in path.read_text().splitlines()]
    assert Counter(lines) == Counter(written)
    times = [json.loads(line)["value"]["event_time"] for line in lines]
    assert times == sorted(times)


def test_who_cancels_does_nothing_afterwards(events: Rows, users: dict[str, Any]) -> None:
    left = {event["user_id"]: event["event_time"] for event in events if event["event_type"] == "cancel"}
    assert left.keys() == {user for user, truth in users.items() if truth["cancel_day"] is not None}
    assert all(event["event_time"] <= left.get(event["user_id"], START + PLAN.days * DAY) for event in events)


def test_users_with_a_higher_hazard_cancel_more(users: dict[str, Any]) -> None:
    ranked = sorted(users.values(), key=lambda user: user["hazard"])
    thirds = [ranked[:500], ranked[500:1000], ranked[1000:]]
    low, middle, high = (sum(user["cancel_day"] is not None for user in third) for third in thirds)
    assert 2 * low < middle < high / 1.5


def test_monthly_contracts_and_falling_activity_cancel_more(events: Rows, users: dict[str, Any]) -> None:
    monthly = {e["user_id"]: dict(e["properties"])["contract"] == "Month-to-month" for e in reversed(events)
               if e["event_type"] == "account"}  # fmt: skip

    def share(chosen: list[str]) -> float:
        return sum(users[user]["cancel_day"] is not None for user in chosen) / len(chosen)

    assert share([u for u in users if monthly[u]]) > 1.5 * share([u for u in users if not monthly[u]])
    falling = [u for u in users if users[u]["decline_day"] is not None]
    assert share(falling) > 1.5 * share([u for u in users if users[u]["decline_day"] is None])


def test_affinity_shows_in_what_is_watched_and_how_it_is_rated(
    events: Rows, users: dict[str, Any], titles: dict[str, Any]
) -> None:
    # Quality and noise account for the rest.
    for kind, least in (("view", 0.5), ("rating", 0.4)):
        told = [event for event in events if event["event_type"] == kind]
        affinity = [np.dot(users[e["user_id"]]["taste_start"], titles[e["title_id"]]["vector"]) for e in told]
        assert correlation(affinity, [event["value"] for event in told]) > least


def test_activity_falls_where_it_was_planted(events: Rows, users: dict[str, Any]) -> None:
    views = Counter(event["user_id"] for event in events if event["event_type"] == "impression")
    stay = [user for user, truth in users.items() if truth["decline_day"] is None and truth["cancel_day"] is None]
    assert correlation([users[user]["activity"] for user in stay], [float(views[user]) for user in stay]) > 0.8


def test_viral_titles_are_seen_more_on_their_days(events: Rows, titles: dict[str, Any]) -> None:
    seen = Counter((e["title_id"], (e["event_time"] - START) // DAY) for e in events if e["event_type"] == "impression")
    viral = {title: truth["burst_day"] for title, truth in titles.items() if truth["burst_day"] is not None}
    assert viral
    for title, day in viral.items():
        usual = sum(count for (name, _), count in seen.items() if name == title) / PLAN.days
        assert seen[title, day] > 3 * usual


def test_posts_follow_the_titles_quality_in_label_and_in_words(service: Path, titles: dict[str, Any]) -> None:
    labels = {row["post_id"]: row["feeling"] == "positive" for row in rows_of(service, "labels")}
    posts = rows_of(service, "posts")
    often = [title for title, truth in titles.items() if truth["posts"] >= 30]
    share = [titles[title]["positive_posts"] / titles[title]["posts"] for title in often]
    assert correlation(share, [titles[title]["positive_share"] for title in often]) > 0.9
    read = [sum((w in POSITIVE) - (w in NEGATIVE) for w in post["text"].split()) > 0 for post in posts]
    agreement = np.mean([said == labels[post["post_id"]] for said, post in zip(read, posts, strict=True)])
    assert agreement > 0.8


def test_evenings_and_weekends_are_busier(events: Rows) -> None:
    hours = Counter(e["event_time"] // 3_600_000 % 24 for e in events if e["event_type"] == "impression")
    assert hours[20] > 3 * hours[4]
    weekdays = Counter((e["event_time"] // DAY + 3) % 7 for e in events if e["event_type"] == "impression")
    assert weekdays[5] > 1.2 * weekdays[1]


def test_the_mappings_are_the_ones_that_ingestion_reads(service: Path) -> None:
    for target in FIELDS:
        mapping = load_mapping(service / f"{target}.yaml")
        names = pq.read_schema(next((service / target).iterdir())).names
        assert (mapping.target, mapping.format) == (target, "parquet")
        assert {*mapping.columns.values()} <= {*names}


def test_the_lines_are_the_producers_and_say_the_same(service: Path, events: Rows) -> None:
    told = [r for path in sorted((service / "lines").glob("events-*")) for r in read_records(path)]
    assert len(told) == len(events)
    for record, event in zip(told, events, strict=True):
        value = json.loads(record.value)
        assert (record.topic, record.key) == ("events", event["user_id"].encode())
        assert fault(value) is None
        said = {**value, "event_time": millis(value["event_time"])}
        want = {name: event[name] for name in FIELDS["events"] if event[name] is not None}
        assert said == {**want, "properties": dict(event["properties"])}
    posts = [r for path in (service / "lines").glob("posts-*") for r in read_records(path)]
    assert len(posts) == PLAN.posts
    assert {post.topic for post in posts} == {"posts"}


def test_progress_counts_every_event(tmp_path: Path) -> None:
    told: list[int] = []
    generate(dataclasses.replace(PLAN, events=9_000), tmp_path / "x", False, told.append)
    assert sum(told) == 9_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"events": 900}, "events: 1500 users over 60 days need", id="too few events for the users"),
        pytest.param({"users": 0}, "users: want 1", id="nobody"),
        pytest.param({"late": 0.7}, "late: want 0 to 0.5", id="more late than a log can be"),
        pytest.param({"start": 0}, "start: want 1970-01-02", id="before the contract's first day"),
    ],
)
def test_what_cannot_be_made_is_refused_with_the_reason(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(GenerateError, match=re.escape(message)):
        made(tmp_path / "x", dataclasses.replace(PLAN, **change))
    assert contents(tmp_path) == {}


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep")
    with pytest.raises(GenerateError, match="not empty"):
        made(tmp_path)
    assert contents(tmp_path) == {"mine": b"keep"}


def test_the_command_reports_in_json_and_faults_in_one_line(tmp_path: Path) -> None:
    sizes = ["--events", "3000", "--users", "100", "--titles", "20", "--days", "7"]
    told = CliRunner().invoke(app, ["generate", str(tmp_path / "x"), *sizes, "--json"])
    assert told.exit_code == 0
    assert json.loads(told.stdout)["events"] == 3000
    again = CliRunner().invoke(app, ["generate", str(tmp_path / "x"), *sizes])
    assert (again.exit_code, again.stderr.count("\n")) == (2, 1)
    naive = CliRunner().invoke(app, ["generate", str(tmp_path / "y"), *sizes, "--start", "2026-01-01T00:00:00"])
    assert naive.exit_code == 2
    assert "start: " in naive.stderr


def test_all_of_the_catalogue_is_filled(service: Path) -> None:
    table = pq.read_table(service / "titles")
    assert all(pc.count(table[name], mode="only_null").as_py() == 0 for name in table.column_names)
    assert len(set(table["name"].to_pylist())) == PLAN.titles
    assert min(len(genres) for genres in table["genres"].to_pylist()) >= 1
