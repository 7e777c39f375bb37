from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from deploy import jars
from deploy.jars import Jar, JarsError, ensure_jars, faults, kafka_classpath, locked, parse_lock, spark_jars

CONTENT = b"the locked bytes"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
LOCK = f"{DIGEST}  org.example:thing_2.13:1.0\n"


@pytest.fixture
def one_jar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "_lock", lambda name: LOCK)
    monkeypatch.setattr(jars, "BACK_OFF_SECONDS", 0.0)


class Fetcher:
    """Stands for Ivy: writes the contents it is given, one per fetch; None is a failed fetch."""

    def __init__(self, *contents: bytes | None) -> None:
        self.contents = list(contents)

    def __call__(self, wanted: list[Jar], folder: Path, cache: Path) -> str:
        content = self.contents.pop(0)
        if content is None:
            return "connection refused"
        for jar in wanted:
            (folder / jar.file).write_bytes(content)
        return ""


def test_a_lock_line_is_a_jar_with_its_file_name() -> None:
    assert parse_lock(LOCK) == [Jar(DIGEST, "org.example", "thing_2.13", "1.0")]
    assert parse_lock(LOCK)[0].file == "thing_2.13-1.0.jar"


@pytest.mark.parametrize("line", ["abc  g:a:1", f"{DIGEST}  g:a", f"{DIGEST}  g::1", f"{DIGEST} g:a:1", ""])
def test_a_bad_lock_line_is_named(line: str) -> None:
    with pytest.raises(JarsError, match="line 2"):
        parse_lock(f"{LOCK}{line}\n")


def test_the_locks_hold_six_jars_of_spark_and_the_broker_with_its_dependencies() -> None:
    assert [jar.artifact for jar in locked("spark")] == [
        "delta-spark_4.2_2.13",
        "delta-storage",
        "commons-pool2",
        "kafka-clients",
        "spark-sql-kafka-0-10_2.13",
        "spark-token-provider-kafka-0-10_2.13",
    ]
    assert "kafka_2.13-4.3.0.jar" in kafka_classpath(Path("var"))
    assert len({jar.file for jar in locked("kafka")}) == len(locked("kafka")) == 46


def test_missing_and_changed_jars_are_faults(tmp_path: Path) -> None:
    wanted = parse_lock(LOCK)
    assert faults(tmp_path, wanted) == wanted
    (tmp_path / wanted[0].file).write_bytes(CONTENT)
    assert faults(tmp_path, wanted) == []
    (tmp_path / wanted[0].file).write_bytes(CONTENT + b"?")
    assert faults(tmp_path, wanted) == wanted


@pytest.mark.usefixtures("one_jar")
def test_wrong_bytes_are_deleted_and_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "_fetch", Fetcher(b"wrong", None, CONTENT, CONTENT))
    ensure_jars(tmp_path)
    assert spark_jars(tmp_path)[0].read_bytes() == CONTENT


@pytest.mark.usefixtures("one_jar")
def test_what_is_verified_is_not_looked_at_again_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "_fetch", Fetcher(CONTENT, CONTENT))
    ensure_jars(tmp_path)
    ensure_jars(tmp_path)
    spark_jars(tmp_path)[0].write_bytes(b"changed")
    monkeypatch.setattr(jars, "_fetch", Fetcher(CONTENT))
    ensure_jars(tmp_path)
    assert spark_jars(tmp_path)[0].read_bytes() == CONTENT


@pytest.mark.usefixtures("one_jar")
@pytest.mark.parametrize(("content", "reason"), [(None, "connection refused"), (b"wrong", "checksum differs")])
def test_after_three_attempts_the_error_names_jar_and_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, reason: str
) -> None:
    monkeypatch.setattr(jars, "_fetch", Fetcher(content, content, content))
    with pytest.raises(JarsError, match=rf"thing_2\.13-1\.0\.jar.*{reason}.*make setup"):
        ensure_jars(tmp_path)
