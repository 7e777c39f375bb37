"""Progress on stderr: a bar of Spark's tasks on a terminal, elsewhere a line per stage."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_SECONDS = 0.25


class StageProgress:
    """Shows the stage last begun; on a terminal with what `tasks` answers of it: how many are done, of how many."""

    def __init__(self, tasks: Callable[[], tuple[int, int]], name: str, console: Console | None = None) -> None:
        self._tasks = tasks
        self._name = name
        self._console = console or Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        """Start to show."""
        self._progress.start()
        if self._console.is_terminal:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and leave what is shown as it stands."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        self._progress.stop()

    def begin(self, stage: str) -> None:
        """The stage that begins now; those before it are over."""
        if not self._console.is_terminal:
            self._console.print(f"{self._name}: {stage}", highlight=False)
            return
        for task in self._progress.tasks:
            self._progress.update(task.id, total=1, completed=1)
        self._progress.add_task(f"{self._name}: {stage}", total=None)

    def _follow(self) -> None:
        while not self._over.wait(_SECONDS):
            if self._progress.tasks:
                done, total = self._tasks()
                self._progress.update(self._progress.tasks[-1].id, completed=done, total=total or None)
