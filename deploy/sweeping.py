"""Stopping everything that was started here, supervised or orphaned."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil

from deploy.programs import SERVERS
from deploy.supervision import ACTIVE, POLL_SECONDS, STOP_SECONDS, UNREACHABLE, Supervisor


def sweep(supervisor: Supervisor) -> None:
    """Stop the jobs, then the servers, each side by side, then supervisord and what is left; nothing runs then."""
    with suppress(*UNREACHABLE), supervisor.rpc() as rpc:
        _stop(rpc, lambda group: group not in SERVERS)
        _stop(rpc, lambda group: group in SERVERS)
    gentle = [process for process in supervisor.processes() if _is_supervisord(process)]
    for process in gentle:
        _signal(process, "terminate")
    psutil.wait_procs(gentle, timeout=2 * STOP_SECONDS)
    left = supervisor.processes()
    for signal, patience in (("terminate", STOP_SECONDS / 2), ("kill", STOP_SECONDS / 2)):
        for process in left:
            _signal(process, signal)
        _, left = psutil.wait_procs(left, timeout=patience)


def _stop(rpc: Any, chosen: Callable[[str], bool]) -> None:
    """By itself supervisord would stop its programs one after the other, each with all its patience."""
    deadline = time.monotonic() + 2 * STOP_SECONDS
    for info in _infos(rpc, chosen):
        if info["statename"] in ACTIVE:
            rpc.stopProcess(f"{info['group']}:{info['name']}", False)
    while any(info["pid"] for info in _infos(rpc, chosen)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _infos(rpc: Any, chosen: Callable[[str], bool]) -> list[dict[str, Any]]:
    return [info for info in rpc.getAllProcessInfo() if chosen(info["group"])]


def _is_supervisord(process: psutil.Process) -> bool:
    try:
        return "supervisor.supervisord" in process.cmdline()
    except psutil.Error:
        return False


def _signal(process: psutil.Process, name: str) -> None:
    with suppress(psutil.NoSuchProcess):
        getattr(process, name)()
