"""The store (Redis protocol): generations, compare-and-set. With `clients`, the only importer of redis.

What is under which key, `keys` tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import redis
from redis.exceptions import RedisClusterException

from lambda_arch.agreement import Agreement
from lambda_arch.audience import Lists, Piece, decode_lists, notes
from lambda_arch.clients import FAULTS, client_of, stretch
from lambda_arch.commits import Commit, CommitResult, StoredEntity, result_of
from lambda_arch.erasures import erased_until, person_of
from lambda_arch.fidelity import FidelityTable, decode_fidelity
from lambda_arch.keys import (
    CLOCK_KEY,
    ERASURES_KEY,
    GENERATION_KEY,
    NUMBERS_KEY,
    Generations,
    agreement_key,
    audience_key,
    fidelity_key,
    generation_key,
    generations_of,
    model_key,
    piece_key,
    report_key,
    speed_key,
)
from lambda_arch.model_bytes import decode_models, encode_models
from lambda_arch.models import Models
from lambda_arch.records import USE_CASES, Prediction, decode
from lambda_arch.scripts import ADVANCE, COMMIT, FLIP, REPLACE, ROLLBACK

CONNECT_SECONDS = 5.0


class StoreError(RuntimeError):
    """The store is away, full or refuses; the message says what and the remedy."""


class Store:
    """A connection to the store; raises StoreError where it is away."""

    def __init__(self, url: str, ttl_days: int) -> None:
        # Any: the client is typed for text and bytes at once; this one answers bytes.
        with store_faults():
            self.redis: Any = client_of(url, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=60)
        self.ttl = ttl_days * 86400
        self._commit = self.redis.register_script(COMMIT)
        self._flip = self.redis.register_script(FLIP)
        self._rollback = self.redis.register_script(ROLLBACK)
        self._advance = self.redis.register_script(ADVANCE)
        self._replace = self.redis.register_script(REPLACE)

    def ping(self) -> None:
        """Raises StoreError unless the store answers."""
        try:
            self.redis.ping()
        except FAULTS as error:
            raise StoreError(f"store does not answer: {error}; start it with `lambda-arch up`") from None

    # -- generations -----------------------------------------------------------------------------------------

    def generations(self) -> Generations:
        """The pointer; all zero where nothing was published."""
        return generations_of(self.redis.hgetall(GENERATION_KEY))

    def flip(self, number: int, horizon: int) -> None:
        """Make a generation current in one step; what was current becomes previous. Twice is once.

        Raises StoreError where a generation of a later horizon is current.
        """
        if not self._flip(keys=[GENERATION_KEY], args=[number, horizon]):
            raise StoreError(f"generation {number} was overtaken by a later one, which stays in service")

    def roll_back(self, pointer: Generations) -> bool:
        """Make the previous generation current in one step, if the pointer is still the one given."""
        return bool(self._rollback(keys=[GENERATION_KEY], args=[pointer.current, pointer.previous]))

    def reserve(self, number: int, horizon: int) -> None:
        """Note that a generation's number belongs to a horizon, whatever becomes of the night."""
        self.redis.hset(NUMBERS_KEY, number, horizon)

    def numbers(self) -> dict[int, int]:
        """The horizon of every number that was ever reserved."""
        return {int(number): int(horizon) for number, horizon in self.redis.hgetall(NUMBERS_KEY).items()}

    def publish(self, generation: int, rows: Iterable[tuple[str, Mapping[str, bytes]]], batch: int = 1000) -> int:
        """Write entities' hashes of a generation in pipelines of `batch`; answers how many."""
        written = 0
        pipe = self.redis.pipeline(transaction=False)
        for entity, fields in rows:
            # In one step: a night that is run again replaces hashes that are being read.
            named = [part for field in fields.items() for part in field]
            self._replace(keys=[generation_key(entity, generation)], args=[self.ttl, *named], client=pipe)
            written += 1
            if written % batch == 0:
                _executed(pipe)
        _executed(pipe)
        return written

    def entity(self, entity: str, generation: int) -> dict[str, bytes]:
        """All that a generation says of an entity, by field."""
        return {name.decode(): value for name, value in self.redis.hgetall(generation_key(entity, generation)).items()}

    def put_models(self, models: Models, fidelity: FidelityTable) -> None:
        """Write a generation's models and fidelity table; raises StoreError where the store is full."""
        number = models.generation
        pipe = self.redis.pipeline(transaction=True)
        pipe.set(model_key(number), encode_models(models), ex=self.ttl)
        pipe.set(fidelity_key(number), msgspec.json.encode(fidelity), ex=self.ttl)
        _executed(pipe)

    def put_pieces(self, generation: int, pieces: Sequence[tuple[str, int, Piece]]) -> None:
        """Write pieces (list, number, content) of a generation's lists; raises StoreError where the store is full."""
        pipe = self.redis.pipeline(transaction=False)
        for name, number, piece in pieces:
            pipe.set(piece_key(generation, name, number), msgspec.msgpack.encode(piece), ex=self.ttl)
        _executed(pipe)

    def put_lists(self, lists: Lists) -> None:
        """Write what lists a generation has."""
        self.redis.set(audience_key(lists.generation), msgspec.json.encode(lists), ex=self.ttl)

    def lists(self, generation: int) -> Lists | None:
        """What lists a generation has, or None where that is gone."""
        stored = self.redis.get(audience_key(generation))
        return decode_lists(stored) if stored else None

    def put_report(self, generation: int, report: bytes) -> None:
        """Write what the night that made a generation reported (JSON)."""
        self.redis.set(report_key(generation), report, ex=self.ttl)

    def report(self, generation: int) -> bytes | None:
        """The report of a generation's night, or None where it is gone."""
        stored: bytes | None = self.redis.get(report_key(generation))
        return stored

    def models(self, generation: int) -> Models | None:
        """A generation's models, or None where they are gone."""
        stored = self.redis.get(model_key(generation))
        return decode_models(stored) if stored else None

    def fidelity(self, generation: int) -> FidelityTable | None:
        """A generation's fidelity table, or None."""
        stored = self.redis.get(fidelity_key(generation))
        return decode_fidelity(stored) if stored else None

    # -- the speed layer -------------------------------------------------------------------------------------

    def read_entities(self, entities: Sequence[str], generation: int) -> list[StoredEntity]:
        """Profiles and states of entities, and until when they were erased, in one round trip."""
        if not entities:
            return []
        pipe = self.redis.pipeline(transaction=False)
        for entity in entities:
            pipe.hget(generation_key(entity, generation), "profile")
            pipe.hmget(speed_key(entity), "state", "v", "e")
        pipe.hmget(ERASURES_KEY, [person_of(entity[2:]) if entity.startswith("u:") else "" for entity in entities])
        *answers, erasures = pipe.execute()
        return [
            StoredEntity(profile, state, int(version or 0), int(epoch or 0), erased_until(erasure))
            for profile, (state, version, epoch), erasure in zip(answers[::2], answers[1::2], erasures, strict=True)
        ]

    def said(self, entities: Sequence[str]) -> list[Prediction]:
        """What the speed layer says of entities, in one round trip; raises UnknownSchemaError."""
        pipe = self.redis.pipeline(transaction=False)
        for entity in entities:
            pipe.hmget(speed_key(entity), *USE_CASES)
        return [decode(stored) for records in pipe.execute() for stored in records if stored]

    def commit(self, commits: Sequence[Commit]) -> list[CommitResult]:
        """Write entities' states and records in one round trip, each by one compare-and-set.

        What is said of users is noted beside it, refused or not: a note says where to look.
        """
        pipe = self.redis.pipeline(transaction=False)
        for commit in commits:
            self._commit(keys=[speed_key(commit.entity)], args=commit.arguments(self.ttl), client=pipe)
        for key, said in notes(record for commit in commits for record in commit.records).items():
            pipe.zadd(key, said)
            pipe.expire(key, self.ttl)
        return [result_of(commit, *answer) for commit, answer in zip(commits, pipe.execute(), strict=False)]

    def advance_clock(self, event_time: int) -> None:
        """Note the newest event time seen; never goes back."""
        self._advance(keys=[CLOCK_KEY], args=[event_time])

    def event_now(self) -> int:
        """The newest event time seen, in microseconds; 0 where none was."""
        return int(self.redis.get(CLOCK_KEY) or 0)

    # -- reading ---------------------------------------------------------------------------------------------

    def both_layers(self, entities: Sequence[str], generation: int) -> list[tuple[list[Any], list[Any]]]:
        """The (batch, speed) records of each entity, by use case in their order, None where missing; one round trip."""
        pipe = self.redis.pipeline(transaction=False)
        for entity in entities:
            pipe.hmget(generation_key(entity, generation), *USE_CASES)
            pipe.hmget(speed_key(entity), *USE_CASES)
        answers = pipe.execute()
        return list(zip(answers[::2], answers[1::2], strict=True))

    def put_agreement(self, agreement: Agreement) -> None:
        """Write how a generation agrees with what the speed layer said before it."""
        self.redis.set(agreement_key(agreement.generation), msgspec.json.encode(agreement), ex=self.ttl)

    def put_told(self, key: str, told: bytes) -> None:
        """Write what was last reported under a key, EXPERIMENTS_KEY or HIT_RATES_KEY (JSON)."""
        self.redis.set(key, told, ex=self.ttl)

    def says(self, entity: str, use_case: str) -> bool:
        """Whether the speed layer has a record for an entity."""
        return bool(self.redis.hexists(speed_key(entity), use_case))

    def speed_entities(self, cursor: int, count: int) -> tuple[int, list[str]]:
        """The next stretch of a scan: where to go on, 0 at the end, and the entities with a speed state in it."""
        after, keys = stretch(self.redis, cursor, speed_key("*"), count)
        return after, [key.decode()[4:-3] for key in keys]

    def speed_states(self) -> Iterable[tuple[str, bytes]]:
        """Every entity that has a speed state, with the state's bytes; scans the store."""
        for key in self.redis.scan_iter(match="la:{*}:s", count=1000):
            state = self.redis.hget(key, "state")
            if state is not None:
                yield key.decode()[4:-3], state


def _executed(pipe: Any) -> None:
    try:
        pipe.execute()
    except FAULTS as error:
        raise StoreError(refused(error)) from None


STORE_ERRORS = (*FAULTS, OSError)


@contextmanager
def store_faults() -> Iterator[None]:
    """Whatever the store refuses in it is a StoreError, with the remedy."""
    try:
        yield
    except FAULTS as error:
        raise StoreError(refused(error)) from None


def refused(error: object) -> str:
    """What a store's refusal to write means, with the remedy."""
    if "OOM" in str(error) or "maxmemory" in str(error):
        return (
            f"store is out of memory ({error}): raise its `maxmemory`, or lower batch.top_n and "
            "features.history_limit; what is in service stays"
        )
    if isinstance(error, redis.ConnectionError | redis.TimeoutError | RedisClusterException):
        return (
            f"store does not answer: {error}; start it with `lambda-arch up`; a night is to be run again, scorers wait"
        )
    return f"store refuses: {error}"
