"""Values of formats without types of Spark's as text: a type is asked for in the mapping, never guessed."""

from __future__ import annotations

from datetime import date, time
from typing import Any

import pyarrow as pa


def as_text(value: Any) -> str | None:
    """A scalar as text: bytes as UTF-8, times in RFC 3339 (with a zone where they have one), truth as JSON has it."""
    match value:
        case None | str():
            return value
        case bytes() | bytearray():
            return value.decode("utf-8", "replace")
        case bool():
            return str(value).lower()
        case date() | time():
            return value.isoformat()
        case _:
            return str(value)


def in_text(value: Any, kind: pa.DataType) -> Any:
    """A value in the form that Arrow takes for the kind, every scalar as text."""
    if value is None:
        return None
    if pa.types.is_struct(kind):
        return {field.name: in_text(value.get(field.name), field.type) for field in kind}
    if pa.types.is_list(kind):
        return [in_text(item, kind.value_type) for item in value]
    if pa.types.is_map(kind):
        return [(key, in_text(item, kind.item_type)) for key, item in value.items()]
    return as_text(value)
