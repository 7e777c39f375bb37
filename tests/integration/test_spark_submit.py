"""The night by spark-submit, as on a cluster: jars by --jars, the packages by --py-files, settings by environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyspark
import pytest
import redis
from conftest import QUICK
from night_process import SMALLEST
from pyspark.sql import SparkSession
from speed_stack import events, posts

from deploy.bundle import bundle
from lambda_arch.clock import DAY, parse_rfc3339, rfc3339
from lambda_arch.config import Config
from lambda_arch.lake import Lake
from lambda_arch.tables import BRONZE, LABELS, TABLES, TITLES
from streaming.produce import Record

pytestmark = [pytest.mark.servers, pytest.mark.spark]
ROOT = Path(__file__).resolve().parents[2]
FIRST = parse_rfc3339("2016-01-02T00:00:00Z")
HORIZON = rfc3339(FIRST + 3 * DAY)
DATABASE = 7


@pytest.fixture
def client(store_url: str) -> Iterator[redis.Redis]:
    """A plain client of an empty database of the test's own."""
    with redis.Redis.from_url(f"{store_url.removesuffix('/0')}/{DATABASE}", decode_responses=True) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture
def small_lake(lake: Lake) -> Lake:
    """A few hundred archived events and posts, the catalogue and the posts' labels."""
    lake.create(*TABLES)
    spark: SparkSession = lake.spark
    sent = [*events(1, 400, FIRST), *posts(1, 60, FIRST), *[seen(f"fan-{title}", title) for title in "cd"]]
    received = datetime(2016, 2, 1, tzinfo=UTC)
    rows = [(record.topic, 0, offset, received, record.key, record.value) for offset, record in enumerate(sent)]
    lake.append(spark.createDataFrame(rows, BRONZE.schema), BRONZE)
    titles = [(title, f"The {title}", 2001, ["Drama"], [], None, None) for title in "abcde"]
    lake.append(spark.createDataFrame(titles, TITLES.schema), TITLES)
    texts = [json.loads(record.value) for record in sent if record.topic == "posts"]
    labels = [(post["post_id"], "positive" if "good" in post["text"] else "negative") for post in texts]
    lake.append(spark.createDataFrame(labels, LABELS.schema), LABELS)
    return lake


def seen(user: str, title: str) -> Record:
    """An event about a title that nobody else has seen: what is there to recommend to the others."""
    fields = {"event_type": "list_add", "user_id": user, "title_id": title, "event_time": rfc3339(FIRST)}
    return Record("events", user.encode(), json.dumps({"event_id": f"{user}-{title}", **fields}).encode())


def submitted(config: Config, store_url: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The night of the zip, run in a folder where nothing else is to be found."""
    home = Path(pyspark.__file__).parent
    jars = ",".join(str(jar) for jar in sorted((config.paths.var / "jars" / "spark").resolve().glob("*.jar")))
    bundle(ROOT, folder / "lambda_arch.zip")
    settings = {
        "PATHS__LAKE": config.paths.lake, "STORE__URL": store_url, "BATCH__RECOMMEND__RANK": "4",
        **{name: value for name, value in SMALLEST.items() if name.startswith("BATCH__")},
    }  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYSPARK_GATEWAY_PORT")}
    environment = {
        **kept, **{f"LAMBDA_ARCH__{name}": value for name, value in settings.items()}, "SPARK_HOME": str(home),
        "PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1",
    }  # fmt: skip
    command = [
        str(home / "bin" / "spark-submit"), "--master", "local[2]", "--driver-memory", "1g", "--jars", jars,
        "--py-files", str(folder / "lambda_arch.zip"),
        *[word for key, value in QUICK.items() for word in ("--conf", f"{key}={value}")],
        str(ROOT / "jobs" / "run_batch.py"), *arguments,
    ]  # fmt: skip
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )


def test_the_night_publishes_a_generation_that_any_client_reads(
    small_lake: Lake, config: Config, client: redis.Redis, store_url: str, tmp_path: Path
) -> None:
    url = f"{store_url.removesuffix('/0')}/{DATABASE}"
    done = submitted(config, url, tmp_path, "--horizon", HORIZON)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "netlib" not in done.stdout + done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert (report["generation"], report["horizon"], report["published"]) == (1, HORIZON, True)
    assert client.hget("la:gen", "current") == "1"
    said = {name: json.loads(client.hget("la:{u:user-0}:g:1", name) or "") for name in ("recommend", "segment")}
    assert {record["entity"] for record in said.values()} == {"u:user-0"}
    assert set(said["recommend"]["value"]["titles"]) <= set("abcde")
    about = json.loads(client.hget("la:{t:a}:g:1", "sentiment") or "")
    assert (about["layer"], about["generation"], about["value"]["posts"]) == ("batch", 1, about["evidence"])


def test_a_wrong_horizon_ends_with_one_line(config: Config, tmp_path: Path) -> None:
    done = submitted(config, "redis://127.0.0.1:1/0", tmp_path, "--horizon", "2016-01-01T12:00:00Z")
    assert done.returncode != 0
    told = [line for line in done.stdout.splitlines() if line.startswith("run_batch: ")]
    assert len(told) == 1
    assert "UTC midnight" in told[0]
    assert "Traceback" not in done.stdout
    assert "\tat " not in done.stdout + done.stderr
