"""Tables -> JSON lines as the producer reads them: `topic`, `key` and `value`; times in RFC 3339."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Lines = Callable[[Any], Any]


def event_lines(table: Any) -> Any:
    """Events, keyed by user."""
    # Ids and numbers need no escapes; what is null is left out.
    fields = [
        _text(table, "event_id"), _text(table, "event_type"), _text(table, "user_id"), _text(table, "title_id"),
        _moment(table), _bare("value", table["value"].cast(pa.string())), _bare("properties", _objects(table)),
    ]  # fmt: skip
    return _record("events", table["user_id"], fields)


def post_lines(table: Any) -> Any:
    """Posts, keyed by title."""
    names = ("post_id", "text", "title_id", "author_id", "source", "language")
    return _record("posts", table["title_id"], [*(_text(table, name) for name in names), _moment(table)])


def _record(topic: str, key: Any, fields: list[Any]) -> Any:
    options = {"null_handling": "skip"}
    value = pc.binary_join_element_wise(*fields, ", ", **options)
    return pc.binary_join_element_wise(f'{{"topic": "{topic}", "key": "', key, '", "value": {', value, "}}", "")


def _text(table: Any, name: str) -> Any:
    return pc.binary_join_element_wise(f'"{name}": "', table[name], '"', "")


def _bare(name: str, texts: Any) -> Any:
    return pc.binary_join_element_wise(f'"{name}": ', texts, "")


def _moment(table: Any) -> Any:
    texts = np.datetime_as_string(table["event_time"].to_numpy().astype("datetime64[ms]"))
    return pc.binary_join_element_wise('"event_time": "', pa.array(texts.astype(object), pa.string()), 'Z"', "")


def _objects(table: Any) -> Any:
    """Properties as JSON; neither names nor values need escapes."""
    # Taken anew, so that keys and items begin with the first row's and not with those of a slice's parent.
    maps = table["properties"].combine_chunks().take(pa.array(np.arange(len(table))))
    pairs = pc.binary_join_element_wise('"', maps.keys, '": "', maps.items, '"', "")
    return pc.binary_join_element_wise(
        "{", pc.binary_join(pa.ListArray.from_arrays(maps.offsets, pairs), ", "), "}", ""
    )
