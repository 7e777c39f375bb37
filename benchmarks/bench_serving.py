"""Answers over HTTP under the load of 32 connections, beside the usual way of serving them and beside a constant.

Load, store and server share the machine; one server process each, on the same uvicorn, and rounds taken in turns. The
constant has an answer's size and comes from our very server, where the quickest answers are made: timing, guard and
headers are those of an answer, all else is what an answer costs more. Many viewers in one request stand beside as many
requests of one client, one after the other on a connection that stays open.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import numpy as np

from benchmarks.audience import fill, serving
from benchmarks.bench_publish import store_below
from benchmarks.ground import Ground
from benchmarks.load import CONNECTIONS, Load, load
from benchmarks.rows import Row, at_least, at_most, reported
from benchmarks.service import RANK, TITLES, USERS
from benchmarks.timing import ratios
from demo.memory import memory_of
from deploy.ports import free_ports
from lambda_arch.store import Store

ROUNDS, SEEN, SEED, MIB = 3, 20, 20160101, 2**20
ASKED, SESSION = "/v1/users/ANY/recommendations", "/v1/sessions/recommendations"
BODY = json.dumps({"titles": ["title-ANY"] * SEEN})
MANY, TOGETHER = 100, "/v1/predictions"
ASKED_TOGETHER = json.dumps({"users": ["ANY"] * MANY, "use_cases": ["recommend"]})


class Servers(NamedTuple):
    """The ports of the three, and the process of ours."""

    ours: int
    usual: int
    constant: int
    process: int


def rows(ground: Ground) -> list[Row]:
    """Answers a second of each, their ratios, the slowest in a hundred, and what one of our processes takes."""
    with store_below(Path(ground.config.paths.lake).parent) as url:
        store = Store(url, 1)
        fill(store, np.random.default_rng(SEED))
        store.redis.close()
        with servers(url) as found:
            ours, usual, constant = in_rounds(ASKED, None, found.ours, found.usual, found.constant)
            folded, solved = in_rounds(SESSION, BODY, found.ours, found.usual)
            whole, single = together(found.ours)
            taken = memory_of([found.process]) / MIB
    return [*answers(ours, usual, constant), *sessions(folded, solved), *many(whole, single), memory(taken)]


def answers(ours: Sequence[Load], usual: Sequence[Load], constant: Sequence[Load]) -> list[Row]:
    """What the plain question gives."""
    rival, size = "FastAPI and redis-py, two HGETALL", f"{CONNECTIONS} connections, {USERS:,} viewers"
    return [
        at_least(5, "arbitrated recommendations", ratios(pace(ours), pace(usual)), "times as many", rival),
        at_least(0.6, "arbitrated recommendations", ratios(pace(ours), pace(constant)), "times", "a constant"),
        at_most(3, "arbitrated recommendations, p99", [one.p99 for one in ours], "ms", size),
        reported("arbitrated recommendations", pace(ours), "answers/s", size),
        reported("arbitrated recommendations, p50", [one.p50 for one in ours], "ms", size),
        reported("two HGETALL", pace(usual), "answers/s", rival),
        reported("two HGETALL, p99", [one.p99 for one in usual], "ms", rival),
        reported("a constant", pace(constant), "answers/s"),
    ]


def sessions(folded: Sequence[Load], solved: Sequence[Load]) -> list[Row]:
    """What sessions give."""
    rival, size = "a numpy solve per request in FastAPI", f"{SEEN} titles, {TITLES:,} × {RANK}"
    return [
        at_least(3, "session fold-in", ratios(pace(folded), pace(solved)), "times as many", rival),
        at_most(5, "session fold-in, p99", [one.p99 for one in folded], "ms", size),
        reported("session fold-in", pace(folded), "answers/s", size),
        reported("one solve per request", pace(solved), "answers/s", rival),
    ]


def many(whole: Sequence[Load], single: Sequence[Load]) -> list[Row]:
    """What it gives to ask about many at once; seconds of all of them are what one request takes, so many times."""
    rival, what = f"{MANY} requests, one after the other", f"{MANY} viewers in one request"
    times = [MANY * one.per_second / each.per_second for one, each in zip(whole, single, strict=True)]
    return [
        at_least(20, what, times, "times as fast", rival),
        reported(what, [1000 / one.per_second for one in whole], "ms"),
        reported(rival, [1000 * MANY / one.per_second for one in single], "ms"),
    ]


def memory(taken: float) -> Row:
    """What one of our processes takes in the end."""
    return at_most(250, "memory of one worker", [taken], "MiB", f"{TITLES:,} titles, rank {RANK}")


def pace(rounds: Sequence[Load]) -> list[float]:
    """Answers a second, round by round."""
    return [one.per_second for one in rounds]


def in_rounds(path: str, body: str | None, *ports: int) -> list[list[Load]]:
    """What each server sustains, round by round after one that warms up; they take turns."""
    taken = [[load(port, path, TITLES, body) for port in ports] for _ in range(1 + ROUNDS)]
    return [list(rounds) for rounds in zip(*taken[1:], strict=True)]


def together(port: int) -> list[list[Load]]:
    """What one connection sustains of requests about many, and about one, round by round after one that warms up."""
    asked = ((TOGETHER, ASKED_TOGETHER), (ASKED, None))
    taken = [[load(port, path, USERS, body, connections=1) for path, body in asked] for _ in range(1 + ROUNDS)]
    return [list(rounds) for rounds in zip(*taken[1:], strict=True)]


@contextmanager
def servers(url: str) -> Iterator[Servers]:
    """The three servers, each in a process of its own."""
    ours, usual, constant = free_ports(3)

    def settings(port: int) -> dict[str, str]:
        own = {"STORE__URL": url, "CLOCK": "event", "SERVING__PORT": str(port), "SERVING__DECISIONS__SHARE": "0"}
        return {"OPENBLAS_NUM_THREADS": "1", **{f"LAMBDA_ARCH__{name}": value for name, value in own.items()}}

    with tempfile.NamedTemporaryFile() as body, serving(["-m", "jobs.run_api"], ours, "/ready", settings(ours)) as pid:
        with urlopen(f"http://127.0.0.1:{ours}{ASKED.replace('ANY', '1')}", timeout=10) as reply:
            Path(body.name).write_bytes(reply.read())
        rival, plain = ["-m", "benchmarks.usual_api", url, str(usual)], ["-m", "benchmarks.constant_api", body.name]
        with (
            serving(rival, usual, "/openapi.json", settings(usual)),
            serving(plain, constant, "/", settings(constant)),
        ):
            yield Servers(ours, usual, constant, pid)
