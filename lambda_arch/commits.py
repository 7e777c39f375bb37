"""What the speed layer reads of an entity and writes back by one compare-and-set."""

from __future__ import annotations

from typing import Any

import msgspec

from lambda_arch.records import Prediction, encode, order
from lambda_arch.tiles import Seen


class StoredEntity(msgspec.Struct, frozen=True):
    """What the speed layer reads of an entity: its profile in the generation, and its state with version and epoch.

    `erased`: what happened until then (microseconds) is erased; 0 for who was not.
    """

    profile: bytes | None
    state: bytes | None
    version: int
    epoch: int
    erased: int = 0


class Commit(msgspec.Struct, frozen=True):
    """What the speed layer writes of an entity in an epoch, if its state version is still the one read.

    `new` are a user's newest views of titles that the generation does not know, for `new_titles`.
    """

    entity: str
    version: int
    epoch: int
    state: bytes
    records: list[Prediction]
    new: tuple[Seen, ...] = ()

    def arguments(self, ttl: int) -> list[Any]:
        """What scripts.COMMIT takes; `ttl` in seconds."""
        records = [part for record in self.records for part in (record.use_case, encode(record), *order(record))]
        return [self.version, ttl, self.epoch, self.state, *records]


class CommitResult(msgspec.Struct, frozen=True):
    """Whether the commit was written, how many records were not greater than the stored ones, and those that were.

    `outdated`: it was not, because the entity was written in a newer epoch.
    """

    written: bool
    refused: int
    accepted: tuple[Prediction, ...] = ()
    outdated: bool = False


def result_of(commit: Commit, written: int, refused: list[int]) -> CommitResult:
    """What the script's answer says of a commit."""
    accepted = [record for number, record in enumerate(commit.records) if written > 0 and number not in refused]
    return CommitResult(written > 0, len(refused), tuple(accepted), outdated=written < 0)
