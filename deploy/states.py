"""The supervised processes as they stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psutil

from deploy.programs import programs
from deploy.supervision import UNREACHABLE, Supervisor
from lambda_arch.config import Config


@dataclass(frozen=True)
class Status:
    """A supervised process as it stands; memory is its own and its children's."""

    name: str
    state: str
    pid: int
    since_seconds: int
    rss_bytes: int
    detail: str

    def texts(self) -> tuple[str, str, str]:
        """Process id, time up and memory to read; blank where nothing runs."""
        if not self.pid:
            return "", "", ""
        return str(self.pid), f"{self.since_seconds} s", f"{self.rss_bytes // 1024**2} MiB"


def status(config: Config) -> list[Status]:
    """Every process of the configuration's programs; all STOPPED where supervisord is not up."""
    try:
        with Supervisor(config.paths.var).rpc() as rpc:
            return [_status(info) for info in rpc.getAllProcessInfo()]
    except UNREACHABLE:
        return [Status(program.name, "STOPPED", 0, 0, 0, "not started") for program in programs(config)]


def _status(info: dict[str, Any]) -> Status:
    up_now = info["pid"] > 0
    since = info["now"] - info["start"] if up_now else 0
    detail = info["spawnerr"] or ("" if up_now else info["description"])
    return Status(info["name"], info["statename"], info["pid"], since, _memory(info["pid"]) if up_now else 0, detail)


def _memory(pid: int) -> int:
    total = 0
    try:
        process = psutil.Process(pid)
        for member in (process, *process.children(recursive=True)):
            total += member.memory_info().rss
    except psutil.NoSuchProcess:
        return total
    return total
