"""Extracts of SQLite files, every value as text."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from batch.ingestion.text import as_text


def selection(options: dict[str, str]) -> str:
    """The query of a mapping's options: `table` or `query`."""
    table = options.get("table", "").replace('"', '""')
    return options.get("query") or f'SELECT * FROM "{table}"'


def sqlite_columns(uri: str, query: str) -> pa.Schema:
    """The columns of the query's rows; raises sqlite3.Error or ValueError."""
    with closing(_connected(uri)) as database:
        names = [column[0] for column in database.execute(query).description or ()]
    return pa.schema([(name, pa.string()) for name in names])


def sqlite_rows(uri: str, query: str, columns: pa.Schema) -> Iterator[dict[str, Any]]:
    """The query's rows, in its order: that of the table's keys where it asks for none."""
    with closing(_connected(uri)) as database:
        for row in database.execute(query):
            yield dict(zip(columns.names, map(as_text, row), strict=True))


def _connected(uri: str) -> sqlite3.Connection:
    place = urlsplit(uri)
    if place.scheme != "file":
        raise ValueError("SQLite reads local files only; copy it to a path that every worker has")
    return sqlite3.connect(f"file:{place.path}?mode=ro", uri=True)
