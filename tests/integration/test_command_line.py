"""The command line as a user types it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.report import stdout_apart
from lambda_arch.config import ConfigError, load_config


@pytest.mark.parametrize(
    ("environment", "arguments", "message"),
    [
        ({"LAMBDA_ARCH__STORE__TTL": "1"}, ["status"], "unknown setting store.ttl"),
        ({}, ["up", "nonsense"], "no program nonsense"),
        ({}, ["predict", "user", "42"], "does not answer"),
        ({}, ["quarantine", "fix", "--set", "value"], "value: want FIELD=EXPRESSION, such as value=value / 100"),
        ({}, ["quarantine", "show", "events"], "want TOPIC/PARTITION/OFFSET"),
        ({}, ["quarantine", "list", "--since", "monday"], "--since monday: "),
        ({"LAMBDA_ARCH__KAFKA__BOOTSTRAP": "127.0.0.1:1"}, ["quarantine", "replay"], "127.0.0.1:1 does not answer"),
        ({"LAMBDA_ARCH__KAFKA__BOOTSTRAP": "127.0.0.1:1"}, ["decisions", "list"], "start it with `lambda-arch up`, or"),
        ({}, ["trending"], "or correct store.url"),
        ({}, ["quarantine", "replay", "--as", "titles"], "--as titles: want events or posts"),
        ({}, ["replay"], "store does not answer"),
        ({}, ["replay", "--rate", "0"], "--rate 0: want a number above 0, or max"),
        ({}, ["produce"], "want either files, or --generate with a number of events"),
        ({}, ["produce", "--generate", "9", "--duplicates", "-0.1"], "duplicates: want a share from 0 to 1, such as "),
        ({}, ["produce", "--generate", "9", "--poison", "1.5"], "poison: want a share from 0 to 1, such as 0.05, have"),
        ({}, ["produce", "--generate", "9", "--tail", "0"], "tail: want a share above 0, up to 1, such as 0.1, have 0"),
        ({}, ["produce", "--generate", "0"], "--generate: events: want 1 to 1000000000, have 0"),
        ({}, ["erase", ""], "ID: want 1 to 128 characters, have 0"),
        ({}, ["erase", "42", "--vacuum-hours", "1"], "--vacuum-hours goes with --apply"),
        ({}, ["export-user", "x" * 129], "ID: want 1 to 128 characters, have 129"),
        ({}, ["replay", "--use-case", "weather"], "--use-case weather: want one of recommend, "),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_two(
    tmp_path: Path, environment: dict[str, str], arguments: list[str], message: str
) -> None:
    nowhere = {"LAMBDA_ARCH__PATHS__VAR": str(tmp_path), "LAMBDA_ARCH__STORE__URL": "redis://127.0.0.1:1/0"}
    told = subprocess.run(
        [sys.executable, "-m", "jobs.cli", *arguments],
        env={**os.environ, **nowhere, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 2
    assert message in told.stderr
    assert len(told.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("serving: [\n", "settings.yaml: not YAML: "),
        ("serving: {port: abc}\n", "setting serving.port: Input should be a valid integer"),
        ("serving: {prot: 1}\n", "unknown setting serving.prot"),
        ("serving: {policies: {recommend: {rule: oldest}}}\n", "serving.policies.recommend.rule"),
    ],
)
def test_settings_that_are_wrong_are_one_line_that_names_them(tmp_path: Path, text: str, message: str) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text(text)
    with pytest.raises(ConfigError) as found:
        load_config({"LAMBDA_ARCH_CONFIG": str(settings)})
    assert message in str(found.value)
    assert "\n" not in str(found.value)


def test_an_api_whose_port_is_taken_says_which_setting_to_correct() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = subprocess.run(
            [sys.executable, "-m", "jobs.run_api"], env={**os.environ, "LAMBDA_ARCH__SERVING__PORT": str(port)},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert (told.returncode, len(told.stderr.strip().splitlines())) == (1, 1)
    assert f"serving.host 127.0.0.1, serving.port {port}: cannot listen there: Address already in use" in told.stderr


def test_jars_that_are_not_there_are_named_with_the_remedy(tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text("target: titles\nformat: csv\ncolumns: {title_id: id, name: name}\n")
    told = subprocess.run(
        [sys.executable, "-m", "jobs.cli", "ingest", str(tmp_path / "titles.csv"), "--mapping", str(mapping)],
        env={**os.environ, "LAMBDA_ARCH__PATHS__VAR": str(tmp_path)}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert told.returncode == 2
    assert "fetch them with `lambda-arch setup`" in told.stderr
    assert len(told.stderr.strip().splitlines()) == 1


def test_what_java_prints_is_no_part_of_an_answer(capfd: pytest.CaptureFixture[str]) -> None:
    with stdout_apart():
        subprocess.run(["echo", "Deleted 2 files"], check=True)
    subprocess.run(["echo", "{}"], check=True)
    assert capfd.readouterr() == ("{}\n", "Deleted 2 files\n")
