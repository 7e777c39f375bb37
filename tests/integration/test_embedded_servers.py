from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from deploy import servers
from deploy.ports import on_free_ports
from deploy.servers import ServerError, Status
from deploy.supervision import Supervisor
from deploy.topics import create_topics
from lambda_arch.config import Config, load_config

pytestmark = pytest.mark.servers
SERVERS = ("kafka", "store")
FETCHED = Path(__file__).resolve().parents[2] / "var" / "jars"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    config = on_free_ports(load_config({}), tmp_path_factory.mktemp("servers") / "var")
    with servers.running(config, SERVERS, jars=FETCHED if FETCHED.is_dir() else None):
        yield config
    assert Supervisor(config.paths.var).processes() == []


def state(config: Config, name: str) -> Status:
    return next(found for found in servers.status(config) if found.name == name)


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_what_was_named_runs_and_the_rest_does_not(up: Config) -> None:
    states = {found.name: found.state for found in servers.status(up)}
    assert {name for name, found in states.items() if found == "RUNNING"} == set(SERVERS)
    assert state(up, "kafka").rss_bytes > 50_000_000
    servers.wait_ready(up, 10)


def test_the_topics_are_there_once_and_predictions_are_compacted(up: Config) -> None:
    assert create_topics(up) == []
    topics = AdminClient({"bootstrap.servers": up.kafka.bootstrap}).list_topics(timeout=10).topics
    for name in up.kafka.topics.model_dump().values():
        assert len(topics[name].partitions) == up.kafka.partitions


def test_a_second_up_leaves_running_what_runs(up: Config) -> None:
    before = [state(up, name).pid for name in SERVERS]
    servers.up(up, SERVERS)
    assert [state(up, name).pid for name in SERVERS] == before


def test_a_killed_store_is_back_with_a_new_process(up: Config) -> None:
    killed = state(up, "store").pid
    os.kill(killed, signal.SIGKILL)
    until(lambda: state(up, "store").state == "RUNNING" and state(up, "store").pid != killed)
    servers.wait_ready(up, 10)


def test_one_program_stops_and_starts_while_the_other_runs_on(up: Config) -> None:
    broker = state(up, "kafka").pid
    servers.stop(up, ["store"])
    assert state(up, "store").state == "STOPPED"
    servers.start(up, ["store"])
    assert state(up, "store").state == "RUNNING"
    assert state(up, "kafka").pid == broker


def test_up_after_a_killed_supervisord_leaves_one_of_each(up: Config) -> None:
    supervisor = Supervisor(up.paths.var)
    killed = int((supervisor.run / "supervisord.pid").read_text(encoding="utf-8"))
    orphans = {process.pid for process in supervisor.processes()} - {killed}
    os.kill(killed, signal.SIGKILL)
    until(lambda: not supervisor.is_alive())
    servers.up(up, SERVERS)
    now = {process.pid for process in supervisor.processes()}
    assert len(now) == 3
    assert not now & orphans


def test_a_job_that_refuses_its_settings_is_told_with_the_end_of_its_log(up: Config) -> None:
    beyond = up.model_copy(update={"serving": up.serving.model_copy(update={"host": "192.0.2.1"})})
    broker = state(up, "kafka").pid
    with pytest.raises(ServerError, match=r"api does not come up \(FATAL.*(?s:.*)serving\.host"):
        servers.up(beyond, ["api"])
    assert state(up, "kafka").pid == broker


def test_changed_settings_restart_the_jobs_that_run_and_not_the_servers(up: Config) -> None:
    servers.up(up, ["scorer"])
    before = {found.name: found.pid for found in servers.status(up)}
    servers.up(up.model_copy(update={"speed": up.speed.model_copy(update={"scorer_batch": 7})}), ["store"])
    after = {found.name: found.pid for found in servers.status(up)}
    assert {name for name in before if before[name] != after[name]} == {"scorer"}
    assert after["scorer"] > 0
