"""Blocks laid end to end: however a file is cut, its rows have the same numbers and its content the same number."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import Row

from batch.ingestion.numbering import laid_end_to_end

HASHES = st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=30)


def wrapped(number: int) -> int:
    """As Spark's longs are summed."""
    return (number + 2**63) % 2**64 - 2**63


def blocks(hashes: Sequence[int], cuts: Sequence[int], first: int, name: str = "f") -> list[Row]:
    """The file's blocks as Spark counts them, cut at these rows, their rows numbered from `first` on."""
    edges = [0, *sorted({cut % len(hashes) for cut in cuts} - {0}), len(hashes)]
    return [
        Row(
            _file=name, _block=start * 100, rows=end - start, first=first + start * 7,
            plain=wrapped(sum(hashes[start:end])),
            weighted=wrapped(sum(hashes[nth] * (first + start * 7 + nth - start) for nth in range(start, end))),
        )
        for start, end in pairwise(edges)
    ]  # fmt: skip


@given(HASHES, st.lists(st.integers(0, 100), max_size=5), st.integers(0, 2**40))
def test_the_cut_does_not_matter(hashes: list[int], cuts: list[int], first: int) -> None:
    whole = laid_end_to_end(blocks(hashes, [], 0))
    cut = blocks(hashes, cuts, first)
    laid = laid_end_to_end(reversed(cut))
    assert laid.files == whole.files
    numbers = [
        block["first"] + nth + shift[2]
        for block, shift in zip(cut, laid.shifts, strict=True)
        for nth in range(block["rows"])
    ]
    assert numbers == list(range(len(hashes)))


# Hashes so near each other that no product wraps around: of those that do, one in 2^60 may be the same.
@given(st.lists(st.integers(0, 2**32), min_size=1, max_size=30), st.integers(0, 30), st.integers(0, 30))
def test_rows_that_change_places_are_another_content(hashes: list[int], one: int, other: int) -> None:
    one, other = one % len(hashes), other % len(hashes)
    moved = list(hashes)
    moved[one], moved[other] = moved[other], moved[one]
    contents = {laid_end_to_end(blocks(rows, [], 0)).files[0].content for rows in (hashes, moved)}
    assert len(contents) == (1 if hashes == moved else 2)


def test_files_of_the_same_content_have_its_number_and_their_names() -> None:
    both = laid_end_to_end([*blocks([1, 2], [], 0, "file:///tmp/a%20b"), *blocks([1, 2], [1], 5, "file:///c")])
    assert [file.name for file in both.files] == ["/c", "/tmp/a b"]
    assert len({file.content for file in both.files}) == 1


def test_rows_not_taken_are_numbered_and_do_not_count_for_the_content() -> None:
    laid = laid_end_to_end([Row(_file="f", _block=0, rows=3, first=0, plain=None, weighted=None)])
    assert laid.files == laid_end_to_end([Row(_file="f", _block=0, rows=3, first=9, plain=0, weighted=0)]).files
