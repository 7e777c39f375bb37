"""kill -9 of the night at every stage: readers see one whole generation or the other, and the night still ends."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from audience import HORIZON, LATER, NEWCOMER, PREMIERE, archive, audience, latecomers
from generation_content import Content, content, entities, undated
from night_process import QUICK, Place
from pyspark.sql import SparkSession

from lambda_arch.clock import rfc3339
from lambda_arch.keys import NIGHT_KEY, Generations
from lambda_arch.lease import SECONDS
from lambda_arch.reads import AsyncStore
from lambda_arch.records import TITLE_USE_CASES, USER_USE_CASES, Prediction, UseCase
from lambda_arch.store import Store
from serving.answers import Answers, View

pytestmark = [pytest.mark.servers, pytest.mark.spark, pytest.mark.e2e]
DATABASE, BESIDE = 9, 10
STAGES = ("conform", "features", "select", "train", "backtest", "score", "publish", "flip", "retire")
FIRST = Generations(current=1, current_horizon=HORIZON, epoch=1)
SECOND = Generations(2, LATER, 1, HORIZON, epoch=2)
ASKED = ("u:u00", "u:u01", "u:u04", "u:c00", "u:c01", "t:t00", "t:t05", f"u:{NEWCOMER}", f"t:{PREMIERE}")
Said = tuple[str, UseCase]


@dataclass
class Seen:
    """What a reader saw: generations in order, the records of each, what it lacked, rounds, and wrong answers."""

    generations: list[int] = field(default_factory=list)
    records: dict[int, dict[Said, Prediction]] = field(default_factory=dict)
    lacking: set[tuple[int, Said]] = field(default_factory=set)
    rounds: int = 0
    faults: list[str] = field(default_factory=list)


class Reader(threading.Thread):
    """Asks for entities over and over, by the code that serves, and keeps all that it is told."""

    def __init__(self, place: Place, store: Store) -> None:
        super().__init__(daemon=True)
        self.seen = Seen()
        self._place, self._store, self._ended = place, store, threading.Event()

    def run(self) -> None:
        asyncio.run(self._ask())

    def end(self) -> Seen:
        """Stop; answers what was seen."""
        self._ended.set()
        self.join(60)
        return self.seen

    async def _ask(self) -> None:
        answers = Answers(AsyncStore(self._place.url), self._place.config)
        try:
            while not self._ended.is_set():
                for entity in ASKED:
                    await self._look(answers, entity)
                self.seen.rounds += 1
                await asyncio.sleep(0.01)  # the night needs the machine, too
        except Exception as error:  # of the thread; the test fails by it
            self.seen.faults.append(repr(error))
        finally:
            await answers.close()

    async def _look(self, answers: Answers, entity: str) -> None:
        use_cases = USER_USE_CASES if entity.startswith("u:") else TITLE_USE_CASES
        view = await answers.view(entity, use_cases)
        current = view.generations.current
        if self.seen.generations[-1:] != [current]:
            self.seen.generations.append(current)
            if self._store.redis.exists(f"la:model:{current}", f"la:fidelity:{current}") != 2:
                self.seen.faults.append(f"generation {current} is in service without its models")
        for use_case in use_cases:
            self._keep(answers, view, entity, use_case)

    def _keep(self, answers: Answers, view: View, entity: str, use_case: UseCase) -> None:
        answer, stored = answers.answer_of(view, use_case), view.stored[use_case][0]
        current = view.generations.current
        if stored is None:
            self.seen.lacking.add((current, (entity, use_case)))
            if (answer.layer, answer.decision.rejected) != ("fallback", ()):
                self.seen.faults.append(f"{answer} of nothing")
            return
        record = undated(stored)
        if (answer.layer, answer.generation, answer.decision.rejected) != ("batch", current, ()):
            self.seen.faults.append(f"{answer} while generation {current} is in service")
        before = self.seen.records.setdefault(current, {}).setdefault((entity, use_case), record)
        if record != before:
            self.seen.faults.append(f"{before} became {record}")


@pytest.fixture(scope="module")
def place(spark: SparkSession, store_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Generation 1 in service, and more events in bronze than it knows."""
    place = Place(tmp_path_factory.mktemp("killed"), at(store_url, DATABASE), {})
    place.store().redis.flushdb()
    place.plant(spark, audience())
    told = place.night(HORIZON).ended()
    assert told.code == 0, told.errors
    archive(place.lake(spark), place.config.kafka.topics.events, latecomers(), first_offset=10_000)
    yield place
    place.store().redis.flushdb()


@pytest.fixture(scope="module")
def undisturbed(place: Place, store_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Content]:
    """What the night at LATER makes of the same lake and store when nothing happens to it."""
    folder = tmp_path_factory.mktemp("undisturbed") / "copy"
    shutil.copytree(place.folder, folder)
    beside, store = replace(place, folder=folder, url=at(store_url, BESIDE)), place.store()
    beside.store().redis.flushdb()
    for key in store.redis.scan_iter():
        store.redis.copy(key, key, destination_db=BESIDE)
    told = beside.night(LATER).ended()
    assert told.code == 0, told.errors
    yield content(beside.store(), 2)
    beside.store().redis.flushdb()


def test_a_night_killed_at_every_stage_shows_readers_one_generation_or_the_other_and_ends_as_if_never_disturbed(
    place: Place, undisturbed: Content
) -> None:
    store = place.store()
    first = content(store, 1)
    reader = Reader(place, store)
    reader.start()
    for stage in STAGES:
        rounds = reader.seen.rounds
        killed_at(stage, place, store, len(undisturbed.profiles))
        assert store.generations() == (SECOND if stage == "retire" else FIRST), stage
        assert reader.seen.rounds > rounds, reader.seen.faults
        lapse(store, waited=stage == STAGES[0])
    told = place.night(LATER).ended()
    seen = reader.end()
    assert (told.code, told.report["generation"], told.report["published"]) == (0, 2, False), told.errors
    assert seen.faults == []
    assert seen.generations == [1, 2]
    assert store.generations() == SECOND
    assert content(store, 1) == first
    assert content(store, 2) == undisturbed
    assert seen.records == {1: asked_of(first), 2: asked_of(undisturbed)}
    assert not seen.lacking & {(number, said) for number, records in seen.records.items() for said in records}
    assert (f"u:{NEWCOMER}", "recommend") in seen.records[2]


def killed_at(stage: str, place: Place, store: Store, entities_in_all: int) -> None:
    """Run the night until a stage begins, publishing until some entities are there and some are not, and kill it."""
    if stage != "publish":
        night = place.night(LATER)
        night.reached(stage)
        night.kill()
        return
    few_at_a_time = json.dumps({**QUICK, "spark.sql.execution.arrow.maxRecordsPerBatch": "2"})
    night = place.night(LATER, SPARK__MASTER="'local[1]'", SPARK__CONF=few_at_a_time)
    night.reached(stage)
    while not entities(store, 2):
        # A store that hardly takes writes: without it the few entities are there between two looks.
        store.redis.execute_command("CLIENT", "PAUSE", 50, "WRITE")
        time.sleep(0.051)
    night.kill()
    assert 0 < len(entities(store, 2)) < entities_in_all


def lapse(store: Store, waited: bool) -> None:
    """The lease of a killed night lapses by itself, in time; that is seen once, and not waited for again."""
    assert 0 < store.redis.pttl(NIGHT_KEY) <= SECONDS * 1000
    if not waited:
        store.redis.delete(NIGHT_KEY)
    while store.redis.exists(NIGHT_KEY):
        time.sleep(0.1)


def asked_of(content: Content) -> dict[Said, Prediction]:
    """What a reader is to see of a generation."""
    return {(entity, record.use_case): record for entity in ASKED for record in content.records.get(entity, [])}


def test_of_two_nights_at_once_the_second_is_told_which_one_runs_and_stops(place: Place) -> None:
    running = place.night(LATER)
    running.reached("conform")
    told = place.night(LATER).ended()
    assert told.code == 1
    assert told.reason.startswith(f"run_batch: a night at {rfc3339(LATER)} runs since ")
    assert f" as process {running.pid} on " in told.reason
    assert "Traceback" not in told.errors + told.output
    running.kill()


def at(url: str, database: int) -> str:
    """A database of the store at an address."""
    return f"{url.removesuffix('/0')}/{database}"
