"""The zip that executors need (`spark-submit --py-files`): a wheel given there is not put on their path."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

PACKAGES = ("lambda_arch", "streaming", "batch", "jobs", "serving", "deploy", "demo", "generate")
# A fixed time: the same sources give the same zip.
TIME = (2016, 1, 1, 0, 0, 0)


def bundle(root: Path, target: Path) -> int:
    """Write all files of the packages under `root` into the zip `target`; answers how many."""
    files = [path for package in PACKAGES for path in sorted((root / package).rglob("*")) if _belongs(path)]
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out:
        for path in files:
            out.writestr(zipfile.ZipInfo(str(path.relative_to(root)), TIME), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return len(files)


def _belongs(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


if __name__ == "__main__":
    bundle(Path(__file__).resolve().parent.parent, Path(sys.argv[1]))
