"""What a file's columns mean, in YAML.

    target: events                  # events | posts | titles | labels
    format: csv                     # see FORMATS
    options: {sep: ";"}             # of the format; may be left out
    where: status = 'done'          # rows to take; may be left out
    columns:                        # contract field: Spark SQL expression over the file's columns
      event_id: concat('r-', id)
      event_type: "'rating'"

CSV, Avro, SQLite, SequenceFiles and the scalars of JSON are read as text: a type is asked for in the expression,
never guessed. Parquet, ORC and JDBC have types of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from lambda_arch.contract import EVENT_FIELDS, POST_FIELDS
from lambda_arch.schemas import LABEL, TITLE

Target = Literal["events", "posts", "titles", "labels"]
Format = Literal["csv", "json", "parquet", "orc", "avro", "sequencefile", "sqlite", "jdbc"]
FORMATS: Sequence[Format] = get_args(Format)

FIELDS: dict[Target, Sequence[str]] = {
    "events": EVENT_FIELDS,
    "posts": POST_FIELDS,
    "titles": TITLE.names,
    "labels": LABEL.names,
}
REQUIRED: dict[Target, Sequence[str]] = {
    "events": ("event_id", "event_type", "user_id", "event_time"),
    "posts": ("post_id", "text", "event_time"),
    "titles": ("title_id", "name"),
    "labels": ("post_id", "feeling"),
}
# Formats whose options are ours; those of the others are Spark's.
OPTIONS: dict[Format, Sequence[str]] = {"avro": (), "sequencefile": ("fields", "sep"), "sqlite": ("table", "query")}
# Of these options a database wants exactly one.
EXTRACTS: dict[Format, tuple[str, str]] = {"sqlite": ("table", "query"), "jdbc": ("dbtable", "query")}


class IngestError(ValueError):
    """A mapping or a file cannot be used; the message names file, column and remedy."""


class Mapping(BaseModel):
    """How a file's columns become a contract's fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    target: Target
    format: Format
    options: dict[str, str] = {}
    columns: dict[str, str]
    where: str = "true"

    @model_validator(mode="after")
    def _fits_the_contract(self) -> Mapping:
        known = FIELDS[self.target]
        if strange := [name for name in self.columns if name not in known]:
            raise ValueError(f"columns: {self.target} has no {', '.join(strange)}; it has {', '.join(known)}")
        if missing := [name for name in REQUIRED[self.target] if name not in self.columns]:
            raise ValueError(f"columns: {self.target} needs {', '.join(missing)}; add an expression for each")
        return self

    @model_validator(mode="after")
    def _fits_the_format(self) -> Mapping:
        known = OPTIONS.get(self.format, tuple(self.options))
        if strange := [name for name in self.options if name not in known]:
            raise ValueError(f"options: {self.format} has no {', '.join(strange)}; it has {', '.join(known) or 'none'}")
        extracts = EXTRACTS.get(self.format, ())
        if extracts and sum(name in self.options for name in extracts) != 1:
            raise ValueError(f"options: {self.format} needs either {' or '.join(extracts)}")
        if self.format == "jdbc" and "url" not in self.options:
            raise ValueError("options: jdbc needs url, such as jdbc:postgresql://host/database")
        return self


def load_mapping(path: Path) -> Mapping:
    """The mapping in a YAML file, named like the file unless it says otherwise; raises IngestError."""
    try:
        return Mapping.model_validate({"name": path.stem, **yaml.safe_load(path.read_text(encoding="utf-8"))})
    except OSError as error:
        raise IngestError(f"mapping {path}: {error.strerror}; give a YAML file") from None
    except ValidationError as error:
        raise IngestError(f"mapping {path}: {'; '.join(_explained(fault) for fault in error.errors())}") from None
    except (yaml.YAMLError, TypeError, UnicodeDecodeError) as error:
        want = "want YAML with keys target, format and columns"
        raise IngestError(f"mapping {path}: {want}: {' '.join(str(error).split())}") from None


def _explained(fault: Any) -> str:
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"unknown key {key}; known are {', '.join(Mapping.model_fields)}"
    return f"{key}: {fault['msg']}".removeprefix(": ").removeprefix("Value error, ")
