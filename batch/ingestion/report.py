"""What became of files' rows: counted per file and reason, with the first rejects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from batch.ingestion.mapping import Mapping, Target
from batch.ingestion.numbering import File
from lambda_arch.silver import Counts

_LONGEST_RECORD = 200


@dataclass(frozen=True)
class FileCounts:
    """A file's rows by what became of them; those that are neither valid nor rejected the mapping's `where` left."""

    file: str
    rows: int
    valid: int
    new: int
    rejected: int


@dataclass(frozen=True)
class Reject:
    """A rejected row: its file, its number there (from 1, a header not counted), why, and how its record begins."""

    file: str
    row: int
    reason: str
    record: str


@dataclass(frozen=True)
class IngestReport:
    """The files' rows; in a dry run `new` is what would be new."""

    mapping: str
    target: Target
    dry_run: bool
    counts: Counts
    files: tuple[FileCounts, ...]
    reasons: dict[str, int]
    rejects: tuple[Reject, ...]

    def sentence(self) -> str:
        """The sum for people."""
        counts = self.counts
        would, went = ("would be ", "would go ") if self.dry_run else ("", "")
        return (
            f"{self.mapping}: {counts.received} rows: {counts.valid} valid, {counts.new} of them {would}new in "
            f"{self.target}; {counts.rejected} rejected{', ' + went + 'into' if went else ' into'} quarantine"
        )


def reported(
    mapping: Mapping, files: Sequence[File], checked: DataFrame, fresh: DataFrame, rejects: int, dry_run: bool
) -> IngestReport:
    """Counts the checked records and the `fresh` of them, and takes the first `rejects` rejected ones."""
    found = [tuple(row) for row in checked.groupBy("file", "reason").count().collect()]
    new: dict[str, int] = dict(map(tuple, fresh.groupBy("file").count().collect()))
    of_files = tuple(_of_file(file, found, new) for file in files)
    reasons = sorted({reason for _, reason, _ in found if reason is not None})
    valid, rejected = (sum(getattr(file, name) for file in of_files) for name in ("valid", "rejected"))
    return IngestReport(
        mapping=mapping.name,
        target=mapping.target,
        dry_run=dry_run,
        counts=Counts(valid + rejected, valid, rejected, sum(new.values())),
        files=of_files,
        reasons={reason: sum(count for _, its, count in found if its == reason) for reason in reasons},
        rejects=_first(checked, rejects) if rejected and rejects else (),
    )


def _of_file(file: File, found: Sequence[tuple[str, str | None, int]], new: dict[str, int]) -> FileCounts:
    its = [(reason, count) for name, reason, count in found if name == file.name]
    valid = sum(count for reason, count in its if reason is None)
    return FileCounts(file.name, file.rows, valid, new.get(file.name, 0), sum(count for _, count in its) - valid)


def _first(checked: DataFrame, number: int) -> tuple[Reject, ...]:
    record = F.substring(F.col("record").cast("string"), 1, _LONGEST_RECORD)
    rows = checked.where(F.col("reason").isNotNull()).orderBy("file", "offset").limit(number)
    told = rows.select("file", F.col("offset") + 1, "reason", record).collect()
    return tuple(Reject(*row) for row in told)
