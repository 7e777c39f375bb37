"""Entity and use case -> answer: read, decide, fall back. The console and the API both call this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lambda_arch.agreement import Agreement
from lambda_arch.blending import blended
from lambda_arch.clock import SECOND, rfc3339, wall_now
from lambda_arch.config import Config
from lambda_arch.experiments import NOTHING, Assigned, Experiment, assigned
from lambda_arch.keys import Generations
from lambda_arch.models import Models
from lambda_arch.policies import Policy
from lambda_arch.reads import AsyncStore
from lambda_arch.records import Prediction, UseCase
from lambda_arch.store import StoreError
from serving.arbiter import Candidates, Context, Decision, Rejection, age, arbitrate
from serving.current import Current, Loaded, Prepare
from serving.fallback import fallback
from serving.former import Former, Records
from serving.stored import Pair, candidates
from serving.values import presented

# The chain of one use case may need another's record: an unknown taste in a known segment.
_READ: dict[UseCase, tuple[UseCase, ...]] = {"recommend": ("recommend", "segment")}
_NOTHING = Models(generation=0, horizon=0)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that goes out: the value, where it came from, and why that layer.

    `as_of` is RFC 3339 and `age_seconds` counts from what the layer has seen; both None without a generation.
    """

    use_case: UseCase
    entity: str
    value: dict[str, Any]
    layer: str
    model: str
    model_version: int
    as_of: str | None
    age_seconds: float | None
    generation: int
    evidence: int
    decision: Decision


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of one entity at one moment; `now` in microseconds. `away`: the store could not be asked.

    `former` has the batch records of the generation before, where some arm of an experiment answers by them, and
    `exposures` the entity's hash of what it was shown lately, where that was asked for.
    """

    entity: str
    generations: Generations
    now: int
    stored: dict[UseCase, Pair]
    loaded: Loaded
    away: bool = False
    former: Records = {}
    exposures: Sequence[bytes] = ()

    def by(self, policy: Policy, use_case: UseCase) -> View:
        """As a policy sees a use case: what both layers say now, or what the night before the last said, alone."""
        if policy.generation == "current" or not self.former:
            return self
        told = {use_case: (self.former[use_case], None)}
        return msgspec.structs.replace(self, stored={**self.stored, **told}, former={})

    def models(self) -> Models:
        """The models in memory; an empty generation 0 where there are none."""
        return self.loaded.models or _NOTHING


class Answers:
    """Answers from one store under one configuration."""

    def __init__(self, store: AsyncStore, config: Config) -> None:
        self._store, self._config = store, config
        self._current, self._former = Current(store), Former(store, config.serving)
        self._known = (Generations(), 0)  # pointer and clock as they were read last
        self.top_n = config.batch.top_n

    async def answer(self, use_case: UseCase, entity: str) -> Answer:
        """The answer for `u:ID` or `t:ID`, known or not.

        While the store is away it is a fallback of the models in memory; raises StoreError where there are none.
        """
        return self.answer_of(await self.view_for(use_case, entity), use_case)

    async def view_for(self, use_case: UseCase, entity: str) -> View:
        """All that an answer of the use case needs, in one round trip; the store away, as `answer` has it."""
        return await self.view(entity, _READ.get(use_case, (use_case,)))

    async def view(self, entity: str, use_cases: Sequence[UseCase]) -> View:
        """Both layers' records of an entity, in one round trip; the store away, as `answer` has it."""
        [view] = await self.views([entity], use_cases)
        return view

    async def views(self, entities: Sequence[str], use_cases: Sequence[UseCase], exposures: bool = False) -> list[View]:
        """The same of many entities, of one moment and generation, in one round trip."""
        try:
            readings = await self._store.read_many(entities, use_cases, exposures)
            generations = readings[0].generations if readings else Generations()
            former = await self._former.of(entities, use_cases, generations)
        except StoreError:
            if self._current.loaded.models is None:
                raise
            return self._from_memory(entities, use_cases)
        if not readings:
            return []
        _, clock = self._known = generations, readings[0].clock
        loaded, now = await self._current.of(generations.current), self.now(clock, generations)
        return [
            View(
                entity=entity, generations=generations, now=now, stored=reading.records, loaded=loaded,
                former=former.get(entity, {}), exposures=reading.exposures,
            )
            for entity, reading in zip(entities, readings, strict=True)
        ]  # fmt: skip

    def policy(self, use_case: UseCase, entity: str) -> Policy:
        """The policy by which a use case is answered: everybody's, or that of the entity's arm."""
        serving = self._config.serving
        if not serving.experiments:
            return serving.policies.of(use_case)
        return serving.policy(use_case, self.assigned(use_case, entity).policy)

    def before_use(self, prepare: Prepare) -> None:
        """Have new models prepared while the old ones still answer."""
        self._current.prepare = prepare

    def everybodys(self, use_case: UseCase) -> Policy:
        """The policy of whoever is in no arm."""
        return self._config.serving.policies.of(use_case)

    def assigned(self, use_case: UseCase, entity: str) -> Assigned:
        """What the entity gets of the experiments."""
        experiments = self._config.serving.experiments
        return assigned(experiments, use_case, entity) if experiments else NOTHING

    def shadow(self, view: View, use_case: UseCase, changes: Mapping[str, Any]) -> tuple[Policy, Answer]:
        """What would be answered under a changed policy."""
        policy = self._config.serving.policy(use_case, changes)
        return policy, self.answer_of(view, use_case, policy)

    def answer_of(self, view: View, use_case: UseCase, policy: Policy | None = None, most: int | None = None) -> Answer:
        """The answer of what was read, by the configured policy if none is given; of a list the first `most`."""
        policy = policy or self.policy(use_case, view.entity)
        view = view.by(policy, use_case)
        found, unreadable = candidates(view.stored[use_case], use_case, view.entity)
        context = _context(view, use_case, policy)
        decision = arbitrate(found, context)
        if unreadable:
            decision = msgspec.structs.replace(decision, rejected=(*unreadable, *decision.rejected))
        if decision.layer == "blend":
            return _answered(view, _blend(found, decision), decision, most)
        chosen = found.batch if decision.layer == "batch" else found.speed
        if decision.layer == "fallback" or chosen is None:
            return self._fallen_back(view, use_case, decision, most)
        return _answered(view, chosen, decision, most)

    def _from_memory(self, entities: Sequence[str], use_cases: Sequence[UseCase]) -> list[View]:
        """Views while the store is away: nothing of anybody, but the models known last."""
        (generations, clock), loaded = self._known, self._current.loaded
        nothing: dict[UseCase, Pair] = dict.fromkeys(use_cases, (None, None))
        now = self.now(clock, generations)
        return [
            View(entity=entity, generations=generations, now=now, stored=nothing, loaded=loaded, away=True)
            for entity in entities
        ]

    async def in_service(self) -> tuple[Models, int]:
        """The models in memory, an empty generation 0 where there are none, and `now` in microseconds.

        The store away, as `answer` has it.
        """
        try:
            self._known = await self._store.pointer()
        except StoreError:
            if self._current.loaded.models is None:
                raise
        generations, clock = self._known
        loaded = await self._current.of(generations.current)
        return loaded.models or _NOTHING, self.now(clock, generations)

    def models(self) -> Models:
        """The models in memory; an empty generation 0 where there are none."""
        return self._current.loaded.models or Models(generation=0, horizon=0)

    async def unready(self) -> list[str]:
        """Why answers cannot be given yet, with remedies; empty when they can. Raises StoreError."""
        generations, _ = await self._store.pointer()
        if not generations.current:
            return ["no generation has been published: run the night with `lambda-arch night`"]
        loaded = await self._current.of(generations.current, wait=True)
        if loaded.generation == generations.current:
            return []
        return [self._current.fault or f"models of generation {generations.current} are being loaded: ask again"]

    @property
    def experiments(self) -> tuple[Experiment, ...]:
        """The configured experiments."""
        return self._config.serving.experiments

    async def told(self, key: str) -> Any:
        """What was last reported under a key, EXPERIMENTS_KEY or HIT_RATES_KEY; None where nothing was.

        Raises StoreError.
        """
        stored = await self._store.told(key)
        return msgspec.json.decode(stored) if stored else None

    async def agreements(self, most: int) -> list[Agreement]:
        """How far the layers were from each other before the newest nights, the newest first. Raises StoreError."""
        return await self._store.agreements(most)

    async def close(self) -> None:
        """Close the connections."""
        await self._current.close()
        await self._store.close()

    def now(self, clock: int, generations: Generations) -> int:
        """The moment by the configured clock, in microseconds; `clock` is the newest event time seen."""
        return wall_now() if self._config.clock == "wall" else max(clock, generations.current_horizon)

    def _fallen_back(self, view: View, use_case: UseCase, decision: Decision, most: int | None) -> Answer:
        models = view.models()
        made = fallback(use_case, models, segment_of(view), self.top_n)
        known = view.loaded.models is not None
        return Answer(
            use_case=use_case, entity=view.entity, value=presented(use_case, made.value, models, most),
            layer="fallback",
            model=made.model, model_version=made.model_version, as_of=rfc3339(models.horizon) if known else None,
            age_seconds=max(0, view.now - models.horizon) / SECOND if known else None,
            generation=models.generation, evidence=0,
            decision=msgspec.structs.replace(decision, rejected=(*decision.rejected, *_missing(view))),
        )  # fmt: skip


def _context(view: View, use_case: UseCase, policy: Policy) -> Context:
    return Context(
        use_case=use_case, generations=view.generations, fidelity=view.loaded.fidelity, now=view.now, policy=policy
    )


def segment_of(view: View) -> int | None:
    """The user's segment by the newest record of the very segments that the models know, however old."""
    model = view.models().segment
    if model is None or "segment" not in view.stored:
        return None
    found, _ = candidates(view.stored["segment"], "segment", view.entity)
    known = [record for record in (found.batch, found.speed) if record and record.model_version == model.version]
    newest = max(known, key=lambda record: record.as_of, default=None)
    number: int | None = newest.value["segment"] if newest else None
    return number


def _missing(view: View) -> list[Rejection]:
    if view.away:
        return [Rejection(None, "store_away")]
    if not view.generations.current:
        return [Rejection(None, "no_generation")]
    return [] if view.loaded.models else [Rejection(None, "no_models")]


def _blend(found: Candidates, decision: Decision) -> Prediction:
    """Both records as one, as of the newer; where each stands is in the decision's sources."""
    batch, speed = found.batch, found.speed
    value = batch and speed and blended(batch.use_case, batch.value, speed.value, decision.sources[1].weight)
    if not (batch and speed and value):
        raise ValueError(f"a blend is of two records whose answers can be weighed: {decision}")
    return msgspec.structs.replace(
        speed, value=value, as_of=max(batch.as_of, speed.as_of), evidence=max(batch.evidence, speed.evidence)
    )


def _answered(view: View, record: Prediction, decision: Decision, most: int | None) -> Answer:
    return Answer(
        use_case=record.use_case, entity=record.entity,
        value=presented(record.use_case, record.value, view.models(), most), layer=decision.layer, model=record.model,
        model_version=record.model_version, as_of=record.as_of,
        age_seconds=age(record, view.generations, view.now) / SECOND, generation=record.generation,
        evidence=record.evidence, decision=decision,
    )  # fmt: skip
