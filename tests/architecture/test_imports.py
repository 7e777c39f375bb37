"""The cuts between the layers hold."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
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


def test_every_test_file_has_a_name_of_its_own() -> None:
    # pytest imports test files by base name: a second one of a name ends the whole run when it is collected.
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, times in names.items() if times > 1] == []


def test_the_tests_that_the_documents_name_are_there() -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = {name for document in documents for name in re.findall(r"tests/[\w/]+\.py", document.read_text())}
    assert sorted(name for name in named if not (ROOT / name).exists()) == []
