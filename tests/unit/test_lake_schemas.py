"""A schema that changes is a new version of its table."""

from __future__ import annotations

import json
import os
from pathlib import Path

from lambda_arch.tables import ERASURES, TABLES

GOLDEN = Path(__file__).parents[1] / "golden" / "lake.json"


def test_every_schema_has_the_version_that_it_was_given() -> None:
    """After a change: raise the table's `version` in lambda_arch/tables.py, then write the file anew with GOLDEN=1."""
    now = {
        table.name: {"version": table.version, "schema": table.schema.simpleString()} for table in (*TABLES, ERASURES)
    }
    if os.environ.get("GOLDEN"):
        GOLDEN.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
    assert json.loads(GOLDEN.read_text(encoding="utf-8")) == now
