"""The cuts between the layers hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_LOADED = "import sys, serving.app; print(*sorted({'pyspark', 'mlflow', 'delta', 'redis'} & set(sys.modules)))"
_CONTRACTS = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


def test_import_contracts() -> None:
    linted = run(_CONTRACTS)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_serving_loads_neither_spark_nor_mlflow_nor_delta() -> None:
    loaded = run(_LOADED)
    assert (loaded.stdout.split(), loaded.stderr) == (["redis"], "")
