"""A real cluster of Redis-protocol servers for tests."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import redis
from store_server import START_SECONDS, store_binary

from deploy.ports import free_ports

SLOTS = 16384


class StoreCluster:
    """Masters that share the slots, each with a replica if wanted, on free loopback ports."""

    def __init__(self, folder: Path, masters: int = 3, replicas: bool = False) -> None:
        self._folder, self._masters = folder, masters
        self.ports = free_ports(masters * (2 if replicas else 1))
        self._buses = free_ports(len(self.ports))
        self.url = f"redis+cluster://127.0.0.1:{self.ports[0]}"
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start the servers, make them a cluster, and wait until all of them say that it is whole."""
        for port, bus in zip(self.ports, self._buses, strict=True):
            self._launch(port, bus)
        self._wait(lambda: all(_says(port, "PING") == b"PONG" for port in self.ports))
        share = SLOTS // self._masters + 1
        for place, port in enumerate(self.ports[: self._masters]):
            _says(port, "CLUSTER", "ADDSLOTSRANGE", place * share, min(SLOTS, (place + 1) * share) - 1)
        for port, bus in list(zip(self.ports, self._buses, strict=True))[1:]:
            _says(self.ports[0], "CLUSTER", "MEET", "127.0.0.1", port, bus)
        self._wait(lambda: all(self._knows(port) for port in self.ports))
        for master, replica in zip(self.ports, self.ports[self._masters :], strict=False):
            _says(replica, "CLUSTER", "REPLICATE", _says(master, "CLUSTER", "MYID"))
        self._wait(lambda: all(_is_whole(port) for port in self.ports))

    def kill(self, port: int) -> None:
        """End one server, by its process."""
        process = self._processes.pop(port)
        process.kill()
        process.wait(START_SECONDS)

    def stop(self) -> None:
        """End all."""
        for port in list(self._processes):
            self.kill(port)

    def _launch(self, port: int, bus: int) -> None:
        folder = self._folder / str(port)
        folder.mkdir()
        options = {"port": port, "cluster-port": bus, "bind": "127.0.0.1", "dir": folder, "save": "",
                   "cluster-enabled": "yes", "cluster-node-timeout": 500}  # fmt: skip
        arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        with (folder / "store.log").open("ab") as log:
            self._processes[port] = subprocess.Popen([store_binary(), *arguments], stdout=log, stderr=log)

    def _knows(self, port: int) -> bool:
        nodes = _says(port, "CLUSTER", "NODES")
        return nodes is not None and nodes.count(b" connected") == len(self.ports) and b"handshake" not in nodes

    def _wait(self, done: Any) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not done():
            assert time.monotonic() < deadline, [(self._folder / str(p) / "store.log").read_text() for p in self.ports]
            time.sleep(0.02)


def _says(port: int, *command: object) -> Any:
    with redis.Redis(port=port) as client:
        try:
            client.response_callbacks.clear()
            return client.execute_command(*command)
        except redis.ConnectionError:
            return None


def _is_whole(port: int) -> bool:
    info = _says(port, "CLUSTER", "INFO") or b""
    replication = _says(port, "INFO", "replication") or b""
    return b"cluster_state:ok" in info and b"master_link_status:down" not in replication
