"""The jars of Spark and of the Kafka broker: what they are (`*.lock`), and how they come to `var/jars/`.

They are fetched by the Ivy that lies in the pyspark wheel, exactly as locked and without following
dependencies: resolved transitively, Spark's six become 38 with a second Hadoop, Parquet and Jackson.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import findspark

from deploy.java import find_java

SETS = ("spark", "kafka")
STAMP = ".verified"
ATTEMPTS = 3
BACK_OFF_SECONDS = 3.0

# Only the central repository, and no address of it: a half-filled local Maven repository makes Ivy fail.
_SETTINGS = """<ivysettings>
  <settings defaultResolver="central"/>
  <resolvers><ibiblio name="central" m2compatible="true"/></resolvers>
</ivysettings>
"""
_MODULE = """<ivy-module version="2.0">
  <info organisation="lambda-arch" module="jars"/>
  <configurations><conf name="default"/></configurations>
  <dependencies>{dependencies}</dependencies>
</ivy-module>
"""
_DEPENDENCY = '<dependency org="{}" name="{}" rev="{}" transitive="false" conf="default->master"/>'


class JarsError(RuntimeError):
    """A jar could not be had or is not the locked one; the message says which and what to do."""


class Jar(NamedTuple):
    """A locked jar."""

    sha256: str
    group: str
    artifact: str
    version: str

    @property
    def file(self) -> str:
        """Its file name."""
        return f"{self.artifact}-{self.version}.jar"


def parse_lock(text: str) -> list[Jar]:
    """Lines `sha256  group:artifact:version` as jars; raises JarsError naming a line that is none."""
    jars = []
    for number, line in enumerate(text.splitlines(), 1):
        digest, _, coordinates = line.partition("  ")
        parts = coordinates.split(":")
        if len(digest) != 64 or len(parts) != 3 or not all(parts):
            raise JarsError(f"lock, line {number}: want `sha256  group:artifact:version`, have {line!r}")
        jars.append(Jar(digest, *parts))
    return jars


def locked(name: str) -> list[Jar]:
    """The locked jars of `spark` or `kafka`."""
    return parse_lock(_lock(name))


def spark_jars(var: Path) -> list[Path]:
    """Where Spark's jars lie; `ensure_jars` has brought them there."""
    return [_folder(var, "spark") / jar.file for jar in locked("spark")]


def kafka_classpath(var: Path) -> str:
    """The broker's classpath; never to be mixed with Spark's."""
    return os.pathsep.join(str(_folder(var, "kafka").resolve() / jar.file) for jar in locked("kafka"))


def ensure_jars(var: Path) -> None:
    """Have all jars under `var/jars/`, verified; milliseconds when they are there. Raises JarsError."""
    for name in SETS:
        if not is_verified(var, name):
            with _alone(var):
                _ensure(var, name)


def is_verified(var: Path, name: str) -> bool:
    """Whether the jars of a set are the ones that were last verified: same lock, files, sizes and times."""
    stamp = _folder(var, name) / STAMP
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == _seen(var, name)


def faults(folder: Path, jars: Sequence[Jar]) -> list[Jar]:
    """The jars that are missing from a folder or differ from the lock."""
    return [jar for jar in jars if not _is_exact(folder / jar.file, jar.sha256)]


def _ensure(var: Path, name: str) -> None:
    folder, cache = _folder(var, name), var / "jars" / ".ivy"
    folder.mkdir(parents=True, exist_ok=True)
    trouble = ""
    for attempt in range(ATTEMPTS + 1):
        wanted = faults(folder, locked(name))
        if not wanted:
            (folder / STAMP).write_text(_seen(var, name), encoding="utf-8")
            shutil.rmtree(cache, ignore_errors=True)
            return
        if attempt == ATTEMPTS:
            break
        time.sleep(attempt * BACK_OFF_SECONDS)
        _discard(folder, wanted, cache)
        trouble = _fetch(wanted, folder, cache)
    names = ", ".join(jar.file for jar in wanted)
    raise JarsError(
        f"{name} jars not to be had after {ATTEMPTS} attempts: {names} ({trouble or 'checksum differs from the lock'});"
        " check the network and run `make setup` again"
    )


def _discard(folder: Path, jars: Sequence[Jar], cache: Path) -> None:
    """Delete jars that differ from the lock, and then the cache too: it may hold the same wrong bytes."""
    wrong = [path for jar in jars if (path := folder / jar.file).exists()]
    for path in wrong:
        path.unlink()
    if wrong:
        shutil.rmtree(cache, ignore_errors=True)


def _fetch(jars: Sequence[Jar], folder: Path, cache: Path) -> str:
    """Ivy's retrieval of jars into a folder; answers the first thing that Ivy complains of."""
    cache.mkdir(parents=True, exist_ok=True)
    dependencies = "".join(_DEPENDENCY.format(jar.group, jar.artifact, jar.version) for jar in jars)
    (cache / "settings.xml").write_text(_SETTINGS, encoding="utf-8")
    (cache / "module.xml").write_text(_MODULE.format(dependencies=dependencies), encoding="utf-8")
    command = [find_java(), "-cp", _ivy_classpath(), "org.apache.ivy.Main", "-cache", str(cache)]
    command += ["-settings", str(cache / "settings.xml"), "-ivy", str(cache / "module.xml")]
    command += ["-retrieve", f"{folder.resolve()}/[artifact]-[revision].[ext]"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    words = ("ERROR", "FAILED", "not found", "Exception")
    complaints = [line.strip() for line in (told.stdout + told.stderr).splitlines() if any(w in line for w in words)]
    return complaints[0] if told.returncode and complaints else ""


def _ivy_classpath() -> str:
    try:
        jars = Path(findspark.find()) / "jars"
    except ValueError:
        raise JarsError("Spark is not installed; run `make setup`") from None
    return os.pathsep.join(str(path) for name in ("ivy", "commons-cli") for path in sorted(jars.glob(f"{name}-*.jar")))


def _is_exact(path: Path, sha256: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def _seen(var: Path, name: str) -> str:
    lines = [hashlib.sha256(_lock(name).encode()).hexdigest()]
    for jar in locked(name):
        path = _folder(var, name) / jar.file
        stat = path.stat() if path.is_file() else None
        lines.append(f"{jar.file} {stat.st_size} {stat.st_mtime_ns}" if stat else f"{jar.file} missing")
    return "\n".join(lines)


@contextmanager
def _alone(var: Path) -> Iterator[None]:
    """Two processes of one `var` fetch one after the other."""
    (var / "jars").mkdir(parents=True, exist_ok=True)
    with (var / "jars" / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _folder(var: Path, name: str) -> Path:
    return var / "jars" / name


def _lock(name: str) -> str:
    return files("deploy").joinpath(f"{name}.lock").read_text(encoding="utf-8")
