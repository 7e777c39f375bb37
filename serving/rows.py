"""Answers as rows of a file: CSV or JSON lines, a piece at a time, so that a file may be of any length."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable, Sequence
from enum import StrEnum
from typing import Any

import msgspec
from fastapi.responses import StreamingResponse

from serving.answers import Answer


class Format(StrEnum):
    """How a file of rows is written."""

    CSV = "csv"
    JSONL = "jsonl"


MEDIA_TYPES = {Format.CSV: "text/csv", Format.JSONL: "application/x-ndjson"}
DOCUMENTED: dict[str, Any] = {
    "description": "Rows as they are read; the header `Generation` has the generation of all of them",
    "content": {name: {"schema": {"type": "string"}} for name in MEDIA_TYPES.values()},
}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says of a user, and which layer says so."""

    user_id: str
    layer: str
    as_of: str | None


class MemberRow(Row, frozen=True, kw_only=True):
    """A member of a segment; distance is to its centre."""

    segment: int
    name: str
    distance: float | None


class RiskRow(Row, frozen=True, kw_only=True):
    """Somebody about to leave."""

    probability: float


def member_row(answer: Answer) -> MemberRow:
    """The row of an answer of segment."""
    return MemberRow(user_id=answer.entity[2:], layer=answer.layer, as_of=answer.as_of,
                     **{name: answer.value[name] for name in ("segment", "name", "distance")})  # fmt: skip


def risk_row(answer: Answer) -> RiskRow:
    """The row of an answer of churn."""
    return RiskRow(user_id=answer.entity[2:], layer=answer.layer, as_of=answer.as_of,
                   probability=answer.value["probability"])  # fmt: skip


def wanted(accept: str) -> Format | None:
    """The format that an Accept header names first; None where it names neither."""
    for part in accept.lower().split(","):
        for name, media_type in MEDIA_TYPES.items():
            if part.split(";")[0].strip() == media_type:
                return name
    return None


def encoded(rows: Sequence[Row], form: Format) -> bytes:
    """Rows as lines."""
    if form is Format.JSONL:
        return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(msgspec.structs.astuple(row) for row in rows)
    return text.getvalue().encode()


def header(kind: type[Row], form: Format) -> bytes:
    """What a file begins with: the names of the columns of CSV (RFC 4180)."""
    return b"" if form is Format.JSONL else ",".join(kind.__struct_fields__).encode() + b"\r\n"


def file(
    pieces: AsyncIterator[list[Answer]], row: Callable[[Answer], Row], kind: type[Row], form: Format, name: str,
    generation: int,
) -> StreamingResponse:  # fmt: skip
    """A response that is written as it is read; it ends unfinished where the reading fails, which clients notice."""

    async def content() -> AsyncIterator[bytes]:
        yield header(kind, form)
        async for piece in pieces:
            if piece:
                yield encoded([row(answer) for answer in piece], form)

    headers = {
        "Generation": str(generation),
        "Content-Disposition": f'attachment; filename="{name}-of-{generation}.{form}"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(content(), media_type=MEDIA_TYPES[form], headers=headers)
