"""What the night before the last says of entities that an experiment's arm answers by it: read, and put in its place.

An arm with `generation: previous` is answered by that generation's batch records alone: the speed layer speaks with one
generation's models, the current one's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lambda_arch.experiments import assigned
from lambda_arch.keys import Generations
from lambda_arch.policies import Serving
from lambda_arch.reads import AsyncStore
from lambda_arch.records import USE_CASES, UseCase

Records = Mapping[UseCase, bytes | None]


class Former:
    """Reads it for those entities alone that some arm answers, or would answer, by it."""

    def __init__(self, store: AsyncStore, serving: Serving) -> None:
        self._store, self._serving = store, serving
        arms = [arm for one in serving.experiments for arm in one.arms.values()]
        self._is_asked = any("generation" in arm.policy for arm in arms)

    async def of(
        self, entities: Sequence[str], use_cases: Sequence[UseCase], generations: Generations
    ) -> dict[str, Records]:
        """The records of the generation before, by entity, in one more round trip where there are any to read.

        Raises StoreError.
        """
        if not (self._is_asked and generations.previous):
            return {}
        known: list[UseCase] = [use_case for use_case in use_cases if use_case in USE_CASES]
        looking = [entity for entity in entities if any(self._looks_back(one, entity) for one in known)]
        found = await self._store.of_generation(looking, generations.previous, known)
        return dict(zip(looking, found, strict=True))

    def _looks_back(self, use_case: UseCase, entity: str) -> bool:
        taken = assigned(self._serving.experiments, use_case, entity)
        changes = [taken.policy, *(changes for _, _, changes in taken.shadows)]
        return any(one.get("generation") == "previous" for one in changes)
