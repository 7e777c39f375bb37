"""The Java runtime of this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

LEAST_JAVA = 17
REMEDY = "install one (Debian, Ubuntu: apt-get install openjdk-17-jre-headless) or set JAVA_HOME"


class JavaError(RuntimeError):
    """There is no usable Java; the message names the remedy."""


def find_java() -> str:
    """The path of `java`, of JAVA_HOME or else of PATH; raises JavaError where there is none."""
    home = os.environ.get("JAVA_HOME")
    of_home = shutil.which("java", path=str(Path(home) / "bin")) if home else None
    if found := of_home or shutil.which("java"):
        return found
    raise JavaError(f"no Java found; {REMEDY}")


def java_version(java: str) -> int:
    """The feature version (17) that `java` reports; 0 where it does not say."""
    told = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False)
    match = re.search(r'version "(?:1\.)?(\d+)', told.stderr)
    return int(match.group(1)) if match else 0


def java_modules(java: str) -> frozenset[str]:
    """The names of the runtime's modules."""
    told = subprocess.run([java, "--list-modules"], capture_output=True, text=True, timeout=30, check=False)
    return frozenset(line.partition("@")[0] for line in told.stdout.split())
