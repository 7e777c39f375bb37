"""What the files' columns mean, for `lambda-arch ingest`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

EVENT_COLUMNS = ("event_id", "event_type", "user_id", "title_id", "event_time", "value", "properties")
POST_COLUMNS = ("post_id", "text", "event_time", "title_id", "author_id", "source", "language")
TITLE_COLUMNS = ("title_id", "name", "year", "genres", "brand")
LABEL_COLUMNS = ("post_id", "feeling")
COLUMNS = {"events": EVENT_COLUMNS, "posts": POST_COLUMNS, "titles": TITLE_COLUMNS, "labels": LABEL_COLUMNS}


def write_mappings(folder: Path) -> None:
    """One YAML file per target, beside the folder of the same name."""
    for target, columns in COLUMNS.items():
        (folder / f"{target}.yaml").write_text(_mapping(target, columns), encoding="utf-8")


def _mapping(target: str, columns: Sequence[str]) -> str:
    heads = [
        f"# lambda-arch ingest {target} --mapping {target}.yaml",
        f"target: {target}",
        "format: parquet",
        "columns:",
    ]
    return "\n".join([*heads, *(f"  {name}: {name}" for name in columns), ""])
