"""What became of gated records: counted over a call's commits and their conflicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from lambda_arch.commits import Commit, CommitResult, StoredEntity
from lambda_arch.records import Prediction
from lambda_arch.states import Counts, counts_of


class Applied(msgspec.Struct, frozen=True):
    """What a call did: records read, entities written, conflicts redone, predictions refused, those accepted.

    `repeated` is what the store says of entities that were as the call would have them, for a writer that died may not
    have announced it; `counts` is what became of records here, `sizes` the bytes of each state written.
    """

    records: int
    written: int
    conflicts: int
    refused: int
    predictions: list[Prediction]
    repeated: list[Prediction]
    counts: Counts
    sizes: list[int]


class Outcome:
    """Gathers what a call's commits did."""

    def __init__(self, records: int) -> None:
        self._records = records
        self._conflicts = self._refused = 0
        self._predictions: list[Prediction] = []
        self._counts = Counts()
        self._sizes: list[int] = []
        self._repeated: set[str] = set()

    @property
    def repeated(self) -> list[str]:
        """Entities of which the store is to be heard again."""
        return sorted(self._repeated)

    def repeat(self, entities: Iterable[str]) -> None:
        """Note entities that were already as they are to be."""
        self._repeated.update(entities)

    def add(
        self, commits: Sequence[Commit], stored: Mapping[str, StoredEntity], results: Sequence[CommitResult]
    ) -> list[str]:
        """Count one round of commits; answers the entities that are to be redone."""
        lost = []
        for commit, result in zip(commits, results, strict=True):
            if not result.written:
                lost.append(commit.entity)
                continue
            before = stored[commit.entity].state
            self._counts += counts_of(commit.state) - (counts_of(before) if before else Counts())
            self._sizes.append(len(commit.state))
            self._refused += result.refused
            self._predictions += result.accepted
        self._conflicts += len(lost)
        return lost

    def applied(self, repeated: list[Prediction]) -> Applied:
        """All of it, with what the store says of the entities to be repeated."""
        return Applied(
            self._records, len(self._sizes), self._conflicts, self._refused, self._predictions, repeated, self._counts,
            self._sizes,
        )  # fmt: skip
