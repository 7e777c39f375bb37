"""Rows of blocks -> their number in the file, and a number for the file's content.

The blocks are counted, then laid end to end: no row is sorted, and no file need fit into one task. The content's
number weighs each row's hash by where the row stands, and sums: however a file is cut, the sum is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from batch.ingestion.readers import PLACE, shown

_INTEGERS = 2**31
_LONGS = 2**64
_NUMBERED = "_file string, _block long, shift long, partition int, file string"


@dataclass(frozen=True)
class File:
    """A file by its name; `content` (31 bits) is the same for the same rows in the same order."""

    name: str
    rows: int
    content: int


@dataclass(frozen=True)
class Numbering:
    """The files, and per block (its file's URI, where it starts) what is to be added to `_nth`, content and name."""

    files: tuple[File, ...]
    shifts: tuple[tuple[str, int, int, int, str], ...]


def numbering(rows: DataFrame, taken: Column, hashed: Column) -> Numbering:
    """Counts every row of every block; `hashed` (a long) of those `taken` makes the content. Reads the files once."""
    kept = F.when(taken, hashed)
    sums = rows.groupBy("_file", "_block").agg(
        F.count("*").alias("rows"),
        F.min("_nth").alias("first"),
        F.sum(kept).alias("plain"),
        # In longs, which wrap around.
        F.sum(kept * F.col("_nth")).alias("weighted"),
    )
    return laid_end_to_end(sums.collect())


def laid_end_to_end(blocks: Iterable[Row]) -> Numbering:
    """Blocks with `rows`, `first`, `plain` and `weighted` -> the numbering."""
    of_file: dict[str, list[Row]] = {}
    for block in sorted(blocks, key=lambda block: (block["_file"], block["_block"])):
        of_file.setdefault(block["_file"], []).append(block)
    files, shifts = [], []
    for uri, its in of_file.items():
        starts = _starts(its)
        file = File(shown(uri), sum(block["rows"] for block in its), _content(its, starts))
        files.append(file)
        shifts += [
            (uri, block["_block"], start - block["first"], file.content, file.name)
            for block, start in zip(its, starts, strict=True)
        ]
    return Numbering(tuple(files), tuple(shifts))


def numbered(rows: DataFrame, known: Numbering) -> DataFrame:
    """With `file`, `partition` (the content's number) and `offset` (the row in the file, from 0) in place of PLACE."""
    shifts = rows.sparkSession.createDataFrame(list(known.shifts), _NUMBERED)
    joined = rows.join(F.broadcast(shifts), on=["_file", "_block"], how="inner")
    return joined.withColumn("offset", F.col("_nth") + F.col("shift")).drop(*PLACE, "shift")


def _starts(blocks: Sequence[Row]) -> list[int]:
    starts, after = [], 0
    for block in blocks:
        starts.append(after)
        after += block["rows"]
    return starts


def _content(blocks: Sequence[Row], starts: Sequence[int]) -> int:
    """The sums of hash x (row in the file) and of hash, over the file's taken rows, in 31 bits."""
    plain: int = sum(block["plain"] or 0 for block in blocks)
    weighted: int = sum(
        (block["weighted"] or 0) + (start - block["first"]) * (block["plain"] or 0)
        for block, start in zip(blocks, starts, strict=True)
    )
    digest = blake2b(f"{plain % _LONGS},{weighted % _LONGS}".encode(), digest_size=4).digest()
    return int.from_bytes(digest) % _INTEGERS
