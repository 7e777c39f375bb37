"""What operators do: generations and the way back, fidelity, and what was rejected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.exceptions import HTTPException

from lambda_arch.config import Config
from lambda_arch.generations import RollbackError, roll_back, summaries
from lambda_arch.store import Store, store_faults
from lambda_arch.topic_reader import TopicError
from serving.caching import conditional
from serving.problems import DOCUMENTED, RETRY_SECONDS, documented, problem
from serving.rejected import counted, newest
from serving.replies import MeasureReply, Reply

T = TypeVar("T")
MOST_LOOKED_AT, MOST_SHOWN = 10_000, 100
_NOT_FOUND = documented({404: "There is no such generation"})


class GenerationReply(Reply):
    """A generation whose night the store remembers; `trained_in`: the generation of each model in service."""

    generation: int
    horizon: str
    state: str
    users: int
    titles: int
    models: dict[str, str]
    trained_in: dict[str, int]


class RollbackReply(Reply):
    """What was taken out of service, and what answers now."""

    withdrawn: int
    current: int


class FidelityReply(Reply):
    """How good each layer's answer is by lag, per use case and layer, as the night measured it; higher is better."""

    generation: int
    use_cases: dict[str, dict[str, dict[str, MeasureReply]]]


class ReasonReply(Reply):
    """How many of the records looked at were rejected for a reason, and the command that sends them again."""

    reason: str
    records: int
    replay: str


class RejectReply(Reply):
    """A rejected record; `coordinates` are those of its source."""

    reason: str
    coordinates: str
    seen_at: str
    value: str


class QuarantineReply(Reply):
    """What the topic holds of late; the lake has all, and what became of each (`lambda-arch quarantine list`)."""

    held: int
    looked_at: int
    reasons: list[ReasonReply]
    samples: list[RejectReply]


class Administration:
    """What operators ask of the store and the broker, each in a thread: none of it is on a reader's way."""

    def __init__(self, config: Config) -> None:
        self._store, self._config = Store(config.store.url, config.store.ttl_days), config
        self._looking = asyncio.Lock()

    async def ask(self, question: Callable[[Store], T]) -> T:
        """The store's answer; raises StoreError where it is away."""

        def asked() -> T:
            with store_faults():
                return question(self._store)

        return await asyncio.to_thread(asked)

    async def rejected(self, look: int, reason: str | None, samples: int) -> QuarantineReply:
        """The newest records of the quarantine; raises TopicError. One look at a time."""
        kafka = self._config.kafka
        async with self._looking:
            found = await asyncio.to_thread(newest, kafka.bootstrap, kafka.topics.quarantine, look)
        replay = "lambda-arch quarantine replay --reason"
        reasons = [ReasonReply(reason=name, records=count, replay=f"{replay} {name}")
                   for name, count in counted(found.rejects)]  # fmt: skip
        shown = [RejectReply(**reject._asdict()) for reject in found.rejects if reason in (None, reject.reason)]
        return QuarantineReply(held=found.held, looked_at=len(found.rejects), reasons=reasons, samples=shown[:samples])

    def close(self) -> None:
        """Close the connection."""
        self._store.redis.close()


def _administration(request: Request) -> Administration:
    found: Administration = request.app.state.administration
    return found


AtAdministration = Annotated[Administration, Depends(_administration)]
Number = Annotated[int, Path(ge=1, le=2**53)]


class GenerationNumber(IntegerConvertor):
    """What stands for a number in an address: other words there, as `rollback`, are addresses of their own."""

    regex = "[0-9]{1,16}"


register_url_convertor("generation", GenerationNumber())
administration = APIRouter(prefix="/v1", responses=DOCUMENTED)


@administration.get("/generations", response_model=list[GenerationReply])
async def generations(request: Request, asked: AtAdministration) -> Response:
    """The generations whose nights the store remembers, the newest first."""
    return conditional(request, msgspec.json.encode(await asked.ask(summaries)))


@administration.post(
    "/generations/rollback", responses=documented({409: "There is no way back"}), response_model=RollbackReply
)
async def rollback(
    asked: AtAdministration, to: Annotated[int | None, Query(description="An error unless it is the previous.")] = None
) -> Any:
    """Make the previous generation current again, at once; the next night gets a new number."""

    def rolled_back(store: Store) -> RollbackReply:
        before = store.generations()
        return RollbackReply(withdrawn=before.current, current=roll_back(store, to).current)

    try:
        return await asked.ask(rolled_back)
    except RollbackError as error:
        return problem(409, str(error))


@administration.get("/generations/{number:generation}", responses=_NOT_FOUND, response_model=dict[str, Any])
async def generation(request: Request, number: Number, asked: AtAdministration) -> Response:
    """What the night that made a generation reported: verdicts with figures, models, fidelity, sizes, seconds."""
    report = await asked.ask(lambda store: store.report(number))
    if report is None:
        raise HTTPException(404, f"the store has no report of generation {number}: /v1/generations has those it has")
    return conditional(request, report)


@administration.get("/fidelity", response_model=FidelityReply)
async def fidelity(request: Request, asked: AtAdministration) -> Response:
    """How good each layer's answer was by lag, in the backtest of the generation in service."""

    def measured(store: Store) -> dict[str, Any]:
        current = store.generations().current
        table = store.fidelity(current)
        return {"generation": current, "use_cases": msgspec.to_builtins(table.measures) if table else {}}

    return conditional(request, msgspec.json.encode(await asked.ask(measured)))


@administration.get("/quarantine", response_model=QuarantineReply)
async def quarantine(
    asked: AtAdministration,
    look: Annotated[int, Query(ge=1, le=MOST_LOOKED_AT, description="How many of the newest to look at.")] = 1000,
    reason: Annotated[str | None, Query(max_length=200, description="Samples of this reason alone.")] = None,
    samples: Annotated[int, Query(ge=0, le=MOST_SHOWN)] = 10,
) -> Any:
    """The newest rejected records: counts by reason, and samples."""
    try:
        return await asked.rejected(look, reason, samples)
    except TopicError as error:
        return problem(503, str(error), {"Retry-After": RETRY_SECONDS})
