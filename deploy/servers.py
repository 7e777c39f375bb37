"""The embedded servers and jobs: up, down, start, stop, status; kept up by supervisord.

A second `up` changes nothing that is right already; one after a kill -9 of supervisord clears away what it
left and starts anew. What runs reads its settings from `var/run/settings.yaml`: exactly the Config given to `up`.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deploy.jars import ensure_jars
from deploy.ports import require_free
from deploy.programs import NEEDS_JAVA, SERVERS, Program, default_names, kafka_java, prepare, programs
from deploy.readiness import ServerError, refusal
from deploy.states import Status, status
from deploy.supervision import ACTIVE, POLL_SECONDS, UNREACHABLE, Supervisor
from deploy.sweeping import sweep
from deploy.topics import create_topics
from lambda_arch.config import Config

__all__ = ["ServerError", "Status", "down", "in_use", "running", "start", "status", "stop", "up", "wait_ready"]

CLUSTER = "lambda-arch-embedded00"


def up(config: Config, names: Sequence[str] | None = None, timeout: float = 90.0) -> None:
    """Start the named programs, or all that the configuration needs; return when they run and servers answer.

    Raises PortTakenError, JavaError, JarsError, BrokerError, StoreError or ServerError.
    """
    chosen = _chosen(config, names)
    if any(program.name in NEEDS_JAVA for program in chosen):
        ensure_jars(config.paths.var)
    supervisor = Supervisor(config.paths.var)
    alive = supervisor.is_alive()
    if not alive:
        sweep(supervisor)
    running = {status.name.partition("-")[0] for status in status(config) if status.state in ACTIVE}
    require_free(port for program in chosen if program.name not in running for port in program.ports)
    prepare(config)
    supervisor.write(programs(config), config.model_dump_json())
    supervisor.reload() if alive else supervisor.spawn()
    # What ran before runs on, with the new settings if they changed.
    known = {program.name for program in programs(config)}
    start(config, [*(program.name for program in chosen), *(running & known)], timeout)


def start(config: Config, names: Sequence[str], timeout: float = 90.0) -> None:
    """Start programs under a supervisord that is up: servers first, then topics, then the rest.

    Returns when all run and the broker, the store and the API, if they are among them, answer.
    """
    chosen = [program.name for program in _chosen(config, names)]
    if "kafka" in chosen:
        _format(config)
    servers, jobs = [n for n in chosen if n in SERVERS], [n for n in chosen if n not in SERVERS]
    _start(config, servers, timeout)
    wait_ready(config, timeout, servers)
    if "kafka" in servers or jobs:
        create_topics(config)
    _start(config, jobs, timeout)
    wait_ready(config, timeout, jobs)


def stop(config: Config, names: Sequence[str]) -> None:
    """Stop programs and wait for their end; the others run on."""
    with _supervised(config) as rpc:
        for program in reversed(_chosen(config, names)):
            rpc.stopProcessGroup(program.name)


def down(config: Config) -> None:
    """Stop everything that was started here, supervised or orphaned; nothing is left running."""
    sweep(Supervisor(config.paths.var))


def in_use(config: Config) -> Config:
    """The settings that the stack under `paths.var` was started with; the given ones where none runs."""
    supervisor = Supervisor(config.paths.var)
    return Config.model_validate_json(supervisor.settings.read_text()) if supervisor.is_alive() else config


def wait_ready(config: Config, timeout: float = 60.0, names: Sequence[str] = SERVERS) -> None:
    """Return when the broker, the store and (if named) the API answer; raises what the last one that did not said."""
    deadline = time.monotonic() + timeout
    for name in names:
        while (error := refusal(config, name)) is not None:
            _refuse_dead(config, [name])
            if time.monotonic() > deadline:
                raise error
            time.sleep(POLL_SECONDS)


@contextmanager
def running(config: Config, names: Sequence[str] | None = None, jars: Path | None = None) -> Iterator[Config]:
    """Programs up inside the block and gone after it; `jars` is a folder of fetched jars to use instead of own ones."""
    own = config.paths.var / "jars"
    if jars is not None and not own.exists():
        own.parent.mkdir(parents=True, exist_ok=True)
        own.symlink_to(jars.resolve())
    try:
        up(config, names)
        yield config
    finally:
        down(config)


def _chosen(config: Config, names: Sequence[str] | None) -> list[Program]:
    wanted = default_names(config) if names is None else names
    known = {program.name: program for program in programs(config)}
    if unknown := [name for name in wanted if name not in known]:
        raise ServerError(f"no program {unknown[0]}; there are {', '.join(known)}")
    return [program for name, program in known.items() if name in wanted]


@contextmanager
def _supervised(config: Config) -> Iterator[Any]:
    try:
        with Supervisor(config.paths.var).rpc() as rpc:
            yield rpc
    except UNREACHABLE as error:
        raise ServerError(f"supervisord does not answer ({error}); start everything with `lambda-arch up`") from None


def _start(config: Config, names: Sequence[str], timeout: float) -> None:
    """Start programs and wait until each has stayed up for its first seconds."""
    with _supervised(config) as rpc:
        for name in names:
            rpc.startProcessGroup(name, False)
    deadline = time.monotonic() + timeout
    while waiting := [found for found in _of(config, names) if found.state != "RUNNING"]:
        _refuse_dead(config, names)
        if time.monotonic() > deadline:
            raise ServerError(_trouble(config, waiting[0]))
        time.sleep(POLL_SECONDS)


def _refuse_dead(config: Config, names: Sequence[str]) -> None:
    for found in _of(config, names):
        if found.state == "FATAL":
            raise ServerError(_trouble(config, found))


def _of(config: Config, names: Sequence[str]) -> list[Status]:
    return [found for found in status(config) if found.name.partition("-")[0] in names]


def _trouble(config: Config, found: Status) -> str:
    supervisor = Supervisor(config.paths.var)
    log = supervisor.log / f"{found.name}.log"
    return (
        f"{found.name} does not come up ({found.state}: {found.detail}); end of {log}:\n{supervisor.tail(found.name)}"
    )


def _format(config: Config) -> None:
    """Format the broker's storage, once; without the stamp a folder is the rest of a killed format."""
    folder = config.paths.var / "kafka"
    if (folder / "formatted").exists():
        return
    shutil.rmtree(folder / "data", ignore_errors=True)
    tool = ("kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(config.paths.var / "run/server.properties"))
    told = subprocess.run([*kafka_java(config), *tool], capture_output=True, text=True, check=False)
    if told.returncode:
        raise ServerError(f"kafka's storage was not formatted: {(told.stderr or told.stdout).strip()[-500:]}")
    (folder / "formatted").touch()
