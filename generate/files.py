"""Tables -> Parquet files of at most a million rows, and JSON lines beside them where asked for."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import pyarrow.parquet as pq

from generate.lines import Lines
from generate.plan import GenerateError

FILE_ROWS = 1_000_000
# Ids and texts differ in every row: a dictionary of them costs time and saves nothing.
REPEATING = [
    "event_type", "user_id", "title_id", "author_id", "source", "language", "value",
    "properties.key_value.key", "properties.key_value.value",
]  # fmt: skip


class Files:
    """A growing row of numbered files `folder/name/name-00000.parquet`; with `lines` also `folder/lines/….jsonl`."""

    def __init__(self, folder: Path, name: str, lines: Lines | None = None) -> None:
        self.written = 0
        self.count = 0
        self._folder, self._name, self._lines = folder, name, lines
        self._parquet: Any = None
        self._text: TextIO | None = None

    def __enter__(self) -> Files:
        """Nothing is open before the first row."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close what is open."""
        self._close()

    def add(self, table: Any) -> None:
        """Append the rows, in new files as needed."""
        while table.num_rows:
            if self.written == self.count * FILE_ROWS:
                self._open(table.schema)
            part = table.slice(0, self.count * FILE_ROWS - self.written)
            self._parquet.write_table(part)
            if self._text is not None and self._lines is not None:
                self._text.write("\n".join([*self._lines(part).to_pylist(), ""]))
            self.written += part.num_rows
            table = table.slice(part.num_rows)

    def _open(self, schema: Any) -> None:
        self._close()
        path = _ready(self._folder / self._name) / f"{self._name}-{self.count:05d}.parquet"
        self._parquet = pq.ParquetWriter(
            path, schema, compression="snappy", use_dictionary=REPEATING, store_schema=False
        )
        if self._lines is not None:
            lines = _ready(self._folder / "lines") / f"{self._name}-{self.count:05d}.jsonl"
            self._text = lines.open("w", encoding="utf-8")
        self.count += 1

    def _close(self) -> None:
        if self._parquet is not None:
            self._parquet.close()
        if self._text is not None:
            self._text.close()


def empty_folder(folder: Path) -> Path:
    """The folder, made if need be; raises GenerateError where something is in it already."""
    try:
        if any(_ready(folder).iterdir()):
            raise GenerateError(f"{folder}: not empty; give a new folder")
    except OSError as error:
        raise GenerateError(f"{folder}: {error.strerror}; give a folder that can be written") from None
    return folder


def _ready(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
