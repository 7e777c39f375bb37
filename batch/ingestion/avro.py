"""Avro files by fastavro, record by record, every scalar as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import fastavro
import pyarrow as pa
from fastavro.schema import expand_schema
from pyarrow.fs import FileSystem

from batch.ingestion.text import in_text

_MAGIC = b"Obj\x01"


def avro_columns(uri: str) -> pa.Schema:
    """The columns of a file's records; raises OSError where it is not there, ValueError where it is no Avro."""
    with _opened(uri) as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise ValueError("it does not begin as an Avro file does")
    with _opened(uri) as file:
        kind = _kind(expand_schema(_header(file)))
    if not pa.types.is_struct(kind):
        raise ValueError("its records have no fields")
    return pa.schema(list(kind))


def avro_rows(uri: str, columns: pa.Schema) -> Iterator[dict[str, Any]]:
    """A file's records in order, with these columns: null where it lacks one."""
    kinds = [(column.name, column.type) for column in columns]
    with _opened(uri) as file:
        records: Iterable[Any] = fastavro.reader(file)
        for record in records:
            yield {name: in_text(record.get(name), kind) for name, kind in kinds}


def _header(file: pa.NativeFile) -> Any:
    try:
        return fastavro.reader(file).writer_schema
    # What fastavro raises of broken bytes is anything, SystemError too.
    except Exception as error:
        raise ValueError(f"its header is broken: {error}") from None


def _opened(uri: str) -> pa.NativeFile:
    system, path = FileSystem.from_uri(uri)
    return system.open_input_stream(path)


def _kind(schema: Any) -> pa.DataType:
    """An Avro schema, names expanded, as an Arrow type whose scalars are text."""
    match schema:
        case list():
            return _one({_kind(branch) for branch in schema if branch != "null"})
        case {"type": "record", "fields": fields}:
            return pa.struct([(field["name"], _kind(field["type"])) for field in fields])
        case {"type": "array", "items": items}:
            return pa.list_(_kind(items))
        case {"type": "map", "values": values}:
            return pa.map_(pa.string(), _kind(values))
        case _:
            return pa.string()


def _one(kinds: set[pa.DataType]) -> pa.DataType:
    if len(kinds) > 1:
        raise ValueError(f"a union of {', '.join(sorted(map(str, kinds)))} has no single type")
    return kinds.pop() if kinds else pa.string()
