"""Progress: a bar on a terminal, elsewhere a line per stage."""

from __future__ import annotations

import io
import time

from rich.console import Console

from jobs.progress import StageProgress


def test_without_a_terminal_it_is_a_line_per_stage() -> None:
    file = io.StringIO()
    with StageProgress(lambda: (1, 2), "ratings", Console(file=file, force_terminal=False)) as progress:
        progress.begin("reading")
        progress.begin("writing")
    assert file.getvalue() == "ratings: reading\nratings: writing\n"


def test_on_a_terminal_the_stages_tasks_are_counted_and_a_stage_that_is_over_is_full() -> None:
    file = io.StringIO()
    with StageProgress(lambda: (3, 7), "ratings", Console(file=file, force_terminal=True, width=80)) as progress:
        progress.begin("reading")
        for _ in range(1000):
            if "3/7" in file.getvalue():
                break
            time.sleep(0.01)
        progress.begin("writing")
    assert "3/7" in file.getvalue()
    assert "1/1" in file.getvalue()
