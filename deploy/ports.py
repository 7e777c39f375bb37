"""Ports of this machine: who has one, and which are free."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from itertools import count
from pathlib import Path

import psutil

from lambda_arch.config import PREFIX, Config, Paths

HOST = "127.0.0.1"
# Below 32768, where Linux begins with clients' ports; processes started one after the other have different rows.
FIRST, ROW, ROWS = 20_000, 200, 60
_given = count()


class PortTakenError(RuntimeError):
    """A port that a server needs is in use; the message names it, its setting and who has it."""


def require_free(ports: Iterable[tuple[str, int]]) -> None:
    """Raises PortTakenError for the first (setting, port) that nothing can listen on."""
    for setting, port in ports:
        if not is_free(port):
            variable = PREFIX + setting.upper().replace(".", "__")
            raise PortTakenError(
                f"port {port} is taken by {_described(owner(port))}; stop it, or set {setting} "
                f"(in the configuration, or {variable}) to a free port, and the address that clients use with it"
            )


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections are only fading away is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def owner(port: int) -> psutil.Process | None:
    """The process that listens on a port, where the system tells."""
    try:
        pids = [
            found.pid
            for found in psutil.net_connections("tcp")
            if found.status == psutil.CONN_LISTEN and found.laddr and found.laddr[1] == port
        ]
        return psutil.Process(pids[0]) if pids and pids[0] else None
    except psutil.Error:
        return None


def free_ports(number: int) -> list[int]:
    """So many different ports that are free now, and that neither a client nor another process asking here soon gets.

    The system gives a client's end any port of its range: a server that starts seconds later would find it taken. So
    these lie below that range, in a row of the process' own, and none comes twice before the row is through.
    """
    found: list[int] = []
    while len(found) < number:
        port = FIRST + os.getpid() % ROWS * ROW + next(_given) % ROW
        if is_free(port):
            found.append(port)
    return found


def on_free_ports(config: Config, var: Path) -> Config:
    """The same settings with all state under `var` and every server on a port of its own: for tests."""
    kafka, controller, store, api = free_ports(4)
    embedded = {"kafka_port": kafka, "controller_port": controller, "store_port": store}
    return config.model_copy(
        update={
            "paths": Paths(
                var=var, lake=str(var / "lake"), checkpoints=str(var / "checkpoints"), reports=var / "reports"
            ),
            "mlflow": config.mlflow.model_copy(
                update={"tracking_uri": f"sqlite:///{var}/mlflow/mlflow.db", "artifacts": var / "mlflow" / "artifacts"}
            ),
            "kafka": config.kafka.model_copy(update={"bootstrap": f"{HOST}:{kafka}"}),
            "store": config.store.model_copy(update={"url": f"redis://{HOST}:{store}/0"}),
            "serving": config.serving.model_copy(update={"port": api}),
            "embedded": config.embedded.model_copy(update=embedded),
        }
    )


def _described(process: psutil.Process | None) -> str:
    if process is None:
        return "a process that this user may not see"
    try:
        return f"process {process.pid} ({' '.join(process.cmdline())[:200] or process.name()})"
    except psutil.Error:
        return f"process {process.pid}"
