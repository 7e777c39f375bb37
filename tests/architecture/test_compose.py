"""docker-compose.yml is held to reality: its jobs, their options, its settings and ports."""

from __future__ import annotations

import functools
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from deploy.bundle import bundle
from lambda_arch.config import PREFIX, load_config

ROOT = Path(__file__).resolve().parents[2]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
CONFIG = load_config({})


def command(service: str) -> list[str]:
    return [str(word) for word in SERVICES[service].get("command", [])]


def job_of(words: list[str]) -> tuple[str, list[str]] | None:
    """The job module that a command runs, and what is passed to it."""
    for at, word in enumerate(words):
        if word.startswith("jobs/") and word.endswith(".py"):
            return word.removesuffix(".py").replace("/", "."), words[at + 1 :]
        if word.startswith("jobs."):
            return word, words[at + 1 :]
    return None


JOBS = {name: job for name in SERVICES if (job := job_of(command(name))) is not None}


@functools.cache
def help_of(module: str) -> str:
    told = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert told.returncode == 0, told.stderr
    return told.stdout


def test_the_local_cluster_has_every_part() -> None:
    assert set(SERVICES) == {
        "kafka", "redis", "topics", "spark-master", "spark-worker", "archive", "gate", "scorer", "api", "night",
        "scheduler",
    }  # fmt: skip
    assert set(JOBS) == {"archive", "gate", "scorer", "api", "night", "scheduler"}


@pytest.mark.parametrize("service", JOBS)
def test_each_job_exists_and_takes_the_options_it_is_given(service: str) -> None:
    module, arguments = JOBS[service]
    assert (ROOT / f"{module.replace('.', '/')}.py").is_file()
    told = help_of(module)
    for option in (word.partition("=")[0] for word in arguments if word.startswith("--")):
        assert f"{option} " in told.replace("=", " ").replace("]", " ").replace(",", " ")


@pytest.mark.parametrize("service", SERVICES)
def test_each_setting_exists_and_has_a_valid_value(service: str) -> None:
    environment = {key: str(value) for key, value in SERVICES[service].get("environment", {}).items()}
    load_config({key: value for key, value in environment.items() if key.startswith(PREFIX)})


@pytest.mark.parametrize("service", [name for name in SERVICES if "spark-submit" in command(name)])
def test_spark_submit_gets_jars_the_zip_and_the_master_that_runs(service: str) -> None:
    words = command(service)
    master = command("spark-master")
    host, port = master[master.index("--host") + 1], master[master.index("--port") + 1]
    assert words[words.index("--master") + 1] == f"spark://{host}:{port}"
    assert words[words.index("--jars") + 1] == "/app/var/jars/spark/*.jar"
    assert words[words.index("--py-files") + 1] == "dist/lambda_arch.zip"


def test_every_server_is_where_the_default_settings_look_for_it() -> None:
    kafka = SERVICES["kafka"]["environment"]
    assert kafka["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{CONFIG.kafka.bootstrap}"
    assert kafka["KAFKA_LISTENERS"].endswith(f"CONTROLLER://127.0.0.1:{CONFIG.embedded.controller_port}")
    redis = command("redis")
    assert redis[redis.index("--port") + 1] == str(urlsplit(CONFIG.store.url).port)
    probe = " ".join(SERVICES["api"]["healthcheck"]["test"])
    assert f"http://{CONFIG.serving.host}:{CONFIG.serving.port}/health" in probe


def test_the_worker_has_a_slot_for_every_job_that_runs_at_once() -> None:
    worker = command("spark-worker")
    jobs = [command(name) for name in SERVICES if "spark-submit" in command(name)]
    assert int(worker[worker.index("--cores") + 1]) >= sum(
        int(words[words.index("--total-executor-cores") + 1]) for words in jobs
    )


def test_nothing_listens_beyond_this_machine() -> None:
    for name, service in SERVICES.items():
        assert service["network_mode"] == "host", name
        assert "ports" not in service, name
    assert "0.0.0.0" not in (ROOT / "docker-compose.yml").read_text("utf-8")


def test_the_zip_holds_every_package_with_its_data(tmp_path: Path) -> None:
    target = tmp_path / "dist" / "lambda_arch.zip"
    bundle(ROOT, target)
    with zipfile.ZipFile(target) as written:
        names = set(written.namelist())
    assert {"lambda_arch/defaults.yaml", "jobs/cli.py", "deploy/kafka.lock", "streaming/__init__.py"} <= names
    assert not [name for name in names if "__pycache__" in name]
