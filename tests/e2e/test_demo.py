"""The whole lambda on a slice of the real data, asked while it stands: command line, HTTP, and a plain Redis client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
import yaml

from deploy.ports import on_free_ports
from lambda_arch.config import Config, load_config
from lambda_arch.records import USE_CASES

ROOT = Path(__file__).parents[2]
CLI = [sys.executable, "-m", "jobs.cli"]
PATIENCE_SECONDS = 600
# A choice in each use case, but few to choose from.
FEWER_CANDIDATES = {
    "LAMBDA_ARCH__BATCH__RECOMMEND__GRID__RANK": "[64]",
    "LAMBDA_ARCH__BATCH__SEGMENT__GRID": "{k: [3, 4]}",
    "LAMBDA_ARCH__BATCH__CHURN__GRID": "{balanced: [false]}",
    "LAMBDA_ARCH__BATCH__SENTIMENT__GRID": "{algorithm: [naive_bayes, logistic_regression]}",
}
pytestmark = [pytest.mark.e2e, pytest.mark.servers, pytest.mark.spark]


class Stack:
    """A demo that stays up, and what it needs to be asked."""

    def __init__(self, config: Config, environ: dict[str, str], process: subprocess.Popen[str]) -> None:
        self.config, self.environ, self.process = config, environ, process
        self.printed = ""

    def wait(self) -> None:
        """Until the API's address is printed; fails with what was printed where the demo ends before."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed += line
            if "The API answers at" in line:
                return
        pytest.fail(f"the demo ended: {self.printed[-3000:]}")

    def command(self, *arguments: str) -> str:
        """What a command of the product prints."""
        done = subprocess.run(
            [*CLI, *arguments], env=self.environ, cwd=ROOT, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def report(self) -> dict[str, Any]:
        """The report that was written."""
        return dict(json.loads((self.config.paths.var / "demo" / "report.json").read_text()))

    def sample(self, rule: str) -> str:
        """The id of a sampled viewer whom the rule decided."""
        return next(str(s["entity"])[2:] for s in self.report()["samples"] if s["decision"]["rule"] == rule)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    var = tmp_path_factory.mktemp("demo")
    (ROOT / "var" / "demo" / "wheels").mkdir(parents=True, exist_ok=True)
    (var / "demo").mkdir()
    (var / "jars").symlink_to(ROOT / "var" / "jars")
    (var / "demo" / "wheels").symlink_to(ROOT / "var" / "demo" / "wheels")
    config = on_free_ports(load_config(FEWER_CANDIDATES, file=ROOT / "demo" / "settings.yaml"), var)
    settings = var / "settings.yaml"
    settings.write_text(yaml.safe_dump(json.loads(config.model_dump_json())))
    environ = {**os.environ, "LAMBDA_ARCH_CONFIG": str(settings), "COLUMNS": "200"}
    command = [*CLI, "demo", "--small", "--stay"]
    process = subprocess.Popen(
        command, env=environ, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    found = Stack(config, environ, process)
    try:
        found.wait()
        yield found
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        left = [p.pid for p in psutil.process_iter() if str(var) in " ".join(_command(p))]
        assert (process.returncode, left) == (0, [])


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_every_record_is_accounted_for(stack: Stack) -> None:
    counts = stack.report()["counts"]
    assert counts["produced"] == counts["archived"] + counts["quarantined"]
    assert counts["archived"] == counts["applied"] + counts["duplicates"] + counts["late"]
    assert counts["quarantined"] == 37
    assert counts["duplicates"] > 20


@pytest.mark.parametrize("use_case", USE_CASES)
def test_arbitrated_is_not_worse_than_the_better_layer(stack: Stack, use_case: str) -> None:
    row = stack.report()["use_cases"][use_case]
    assert row["arbitrated"] >= max(row["batch"], row["speed"]) - row["standard_error"]
    assert row["cases"] > 10
    assert row["arbitrated"] > row["baseline"]


def test_a_viewer_of_the_stream_alone_is_answered_by_the_speed_layer(stack: Stack) -> None:
    viewer = stack.sample("only_speed")
    told = json.loads(stack.command("predict", "user", viewer, "--json"))["use_cases"]["recommend"]
    assert told["answer"]["layer"] == "speed"
    assert told["batch"] is None
    assert told["answer"]["value"]["items"]
    assert "speed" in stack.command("predict", "user", viewer)


def test_nobody_is_answered_by_the_fallback_with_the_reason(stack: Stack) -> None:
    told = json.loads(stack.command("predict", "user", "nobody", "--json"))["use_cases"]
    assert {found["answer"]["layer"] for found in told.values()} == {"fallback"}
    assert len(told["recommend"]["answer"]["value"]["items"]) > 0
    assert "fallback" in stack.command("predict", "user", "nobody")


def test_a_plain_redis_client_reads_the_same_records_as_json(stack: Stack) -> None:
    viewer = stack.sample("only_speed")
    plain = redis.Redis.from_url(stack.config.store.url)
    record = json.loads(plain.hget(f"la:{{u:{viewer}}}:s", "recommend"))  # type: ignore[arg-type]
    told = json.loads(stack.command("predict", "user", viewer, "--json"))["use_cases"]["recommend"]
    assert record == told["speed"]
    assert (record["entity"], record["layer"]) == (f"u:{viewer}", "speed")
    plain.close()


def test_the_figures_that_decide_can_be_seen(stack: Stack) -> None:
    measured = json.loads(stack.command("fidelity", "--json"))["measures"]
    assert set(measured) == set(USE_CASES)
    assert measured["recommend"]["speed"]["0"] == measured["recommend"]["batch"]["0"]
    assert "recommend: nDCG@10" in stack.command("fidelity")


def test_http_gives_the_same_answer(stack: Stack) -> None:
    viewer = stack.sample("only_speed")
    url = f"http://127.0.0.1:{stack.config.serving.port}/v1/users/{viewer}/recommendations"
    with urllib.request.urlopen(url, timeout=10) as reply:
        told = json.load(reply)
    assert (told["layer"], told["decision"]["rule"]) == ("speed", "only_speed")


def test_the_report_is_also_told_in_words(stack: Stack) -> None:
    assert "What became of what was streamed" in stack.printed
    assert "new recommendations in the store after" in stack.printed
