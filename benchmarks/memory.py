"""Memory of supervised programs over time."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from types import TracebackType

from demo.memory import GIB, memory_of
from deploy import servers
from lambda_arch.config import Config

EVERY_SECONDS = 1.0


class Memory:
    """What each process of the programs has, sampled in the background: proportional set sizes, children included."""

    def __init__(self, config: Config, names: Sequence[str]) -> None:
        self._config, self._names = config, names
        self._pids = self._running()
        self._samples: dict[str, list[int]] = {name: [] for name in self._pids}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True, name="memory")

    def __enter__(self) -> Memory:
        """Start sampling."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop sampling; raises RuntimeError where a process was started anew meanwhile: its peak is unknown."""
        self._stop.set()
        self._thread.join()
        if error is None and self._running() != self._pids:
            raise RuntimeError(f"{', '.join(self._names)}: a process ended and was started again; see var/log")

    def gib(self, program: str) -> float:
        """The peak of the program's largest process, in GiB."""
        return max(max(samples) for samples in self._of(program)) / GIB

    def growth(self, program: str) -> float:
        """The second half's peak against the first half's, of the program's process that grew most."""
        halves = [(samples[: len(samples) // 2], samples[len(samples) // 2 :]) for samples in self._of(program)]
        return max(max(second) / max(first) for first, second in halves)

    def _of(self, program: str) -> list[list[int]]:
        return [samples for name, samples in self._samples.items() if name.partition("-")[0] == program]

    def _running(self) -> Mapping[str, int]:
        found = servers.status(self._config)
        return {state.name: state.pid for state in found if state.name.partition("-")[0] in self._names}

    def _sample(self) -> None:
        while not self._stop.is_set():
            for name, pid in self._pids.items():
                self._samples[name].append(memory_of([pid]))
            self._stop.wait(EVERY_SECONDS)
