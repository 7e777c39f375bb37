"""Peak memory of everything that runs here, sampled in the background."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable

import psutil

GIB = 1 << 30
EVERY_SECONDS = 1.0


class PeakMemory:
    """The largest sum, over the sampled moments, of the memory of this process, its children and the `others`.

    Proportional set sizes where the system tells them: pages that processes share count once.
    """

    def __init__(self, others: Callable[[], list[int]]) -> None:
        self.bytes = 0
        self._others = others
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True, name="peak-memory")

    def __enter__(self) -> PeakMemory:
        """Start sampling."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop sampling."""
        self._stop.set()
        self._thread.join()

    def gib(self) -> float:
        """The peak so far, in GiB."""
        return round(self.bytes / GIB, 2)

    def _sample(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            self.bytes = max(self.bytes, memory_of([os.getpid(), *self._others()]))


def memory_of(pids: Iterable[int]) -> int:
    """Bytes of these processes and their children now, each process once; what is gone has none."""
    family = {process.pid: process for root in _alive(pids) for process in _with_children(root)}
    return sum(_size(process) for process in family.values())


def _alive(pids: Iterable[int]) -> list[psutil.Process]:
    return [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]


def _with_children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _size(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0
