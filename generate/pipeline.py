"""The generator from plan to files, top to bottom: part by part of the span, so memory does not grow with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from generate.arrival import arrived, split
from generate.columns import Names, event_table, label_table, made_names, post_table, title_table
from generate.files import Files, empty_folder
from generate.lines import event_lines, post_lines
from generate.mappings import write_mappings
from generate.opinions import Opinions, opinions
from generate.parts import Part, parts
from generate.plan import Ints, Plan
from generate.rows import Events, together
from generate.sessions import session_events
from generate.truth import write_truth
from generate.world import World, made_world
from lambda_arch.tiles import EVENT_TYPES

Progress = Callable[[int], None]


@dataclass(frozen=True)
class GenerateReport:
    """What was written, and how fast; `events` counts duplicates too, as `by_type` does."""

    folder: str
    events: int
    by_type: dict[str, int]
    duplicates: int
    disordered: int
    late: int
    users: int
    titles: int
    posts: int
    positive_posts: int
    cancelled_users: int
    files: int
    seconds: float
    events_per_second: int


@dataclass
class _Tally:
    """What has been written so far."""

    kinds: Ints
    posts: Ints
    positive: Ints
    duplicates: int = 0
    disordered: int = 0
    late: int = 0


def generate(plan: Plan, folder: Path, lines: bool, progress: Progress) -> GenerateReport:
    """Write a plan's files into an empty folder; `progress` is told how many events more are written.

    Raises GenerateError for a folder in use, and for fewer events than the users' accounts and cancels need.
    """
    start = time.monotonic()
    empty_folder(folder)
    world = made_world(plan)
    # Before the first file: a plan that cannot be met leaves nothing behind.
    spans = list(parts(plan, world))
    names = made_names(plan, world.users)
    tally = _tally(plan)
    with ExitStack() as open_files:
        kinds = {"events": event_lines if lines else None, "posts": post_lines if lines else None}
        files = {
            name: open_files.enter_context(Files(folder, name, kinds.get(name)))
            for name in ("events", "posts", "labels", "titles")
        }
        files["titles"].add(title_table(plan, names, world.titles))
        _write_events(plan, world, spans, names, files, tally, progress)
    write_mappings(folder)
    write_truth(folder, plan, world, names, tally.posts, tally.positive)
    return _report(plan, world, folder, tally, sum(f.count for f in files.values()), time.monotonic() - start)


def generated_lines(plan: Plan) -> Iterator[str]:
    """A plan's events and posts as JSON lines for the producer, in the order in which they arrive; no files.

    Raises GenerateError like `generate`.
    """
    world = made_world(plan)
    spans = list(parts(plan, world))
    names = made_names(plan, world.users)
    for here, said in _made(plan, world, spans, _tally(plan)):
        lines = [*event_lines(event_table(names, here)).to_pylist(), *post_lines(post_table(names, said)).to_pylist()]
        yield from (lines[place] for place in np.argsort(np.concatenate([here.arrival, said.time]), kind="stable"))


def _write_events(
    plan: Plan,
    world: World,
    spans: Sequence[Part],
    names: Names,
    files: dict[str, Files],
    tally: _Tally,
    progress: Progress,
) -> None:
    for here, said in _made(plan, world, spans, tally):
        tally.kinds += np.bincount(here.kind, minlength=len(EVENT_TYPES))
        files["events"].add(event_table(names, here))
        _write_posts(said, names, files, tally)
        progress(len(here))


def _made(plan: Plan, world: World, spans: Sequence[Part], tally: _Tally) -> Iterator[tuple[Events, Opinions]]:
    """Part by part the events that arrive in it, and the posts."""
    held: list[Events] = []
    for part in spans:
        here, later = split(together([*held, _sent(plan, world, part, tally)]), part.until)
        held = [later]
        first, last = part.posts
        yield here, opinions(plan, world, part.number, part.span, first, last - first)


def _sent(plan: Plan, world: World, part: Part, tally: _Tally) -> Events:
    first, last = part.sessions
    sessions = session_events(plan, world, part.number, part.span, first, last - first)
    result = arrived(plan, part.number, together([part.lives, sessions]), part.duplicates)
    tally.duplicates += result.duplicates
    tally.disordered += result.disordered
    tally.late += result.late
    return result.events


def _write_posts(posts: Opinions, names: Names, files: dict[str, Files], tally: _Tally) -> None:
    tally.posts += np.bincount(posts.title, minlength=len(tally.posts))
    tally.positive += np.bincount(posts.title[posts.positive], minlength=len(tally.positive))
    files["posts"].add(post_table(names, posts))
    files["labels"].add(label_table(names, posts))


def _tally(plan: Plan) -> _Tally:
    return _Tally(_zeros(len(EVENT_TYPES)), _zeros(plan.titles), _zeros(plan.titles))


def _zeros(size: int) -> Ints:
    return np.zeros(size, dtype=np.int64)


def _report(plan: Plan, world: World, folder: Path, tally: _Tally, files: int, seconds: float) -> GenerateReport:
    by_type = dict(zip(EVENT_TYPES, tally.kinds.tolist(), strict=True))
    return GenerateReport(
        folder=str(folder),
        events=sum(by_type.values()),
        by_type={name: count for name, count in by_type.items() if count},
        duplicates=tally.duplicates,
        disordered=tally.disordered,
        late=tally.late,
        users=plan.users,
        titles=plan.titles,
        posts=int(tally.posts.sum()),
        positive_posts=int(tally.positive.sum()),
        cancelled_users=int((world.lives.cancel_day < plan.days).sum()),
        files=files,
        seconds=round(seconds, 3),
        events_per_second=round(plan.events / seconds),
    )
