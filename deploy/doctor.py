"""Whether this machine can run it: a check each, with what was found and what to do."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from deploy.jars import SETS, faults, locked
from deploy.java import LEAST_JAVA, REMEDY, JavaError, find_java, java_modules, java_version
from deploy.ports import is_free, owner
from deploy.programs import default_names, programs
from deploy.readiness import refusal
from deploy.supervision import Supervisor
from lambda_arch.config import Config

GIB = 1024**3
LEAST_DISK, LEAST_MEMORY = 5 * GIB, 6 * GIB
PYTHONS = ((3, 11), (3, 14))
# What Spark and the broker load; slimmed runtimes lack some of them.
MODULES = (
    "java.base",
    "java.compiler",
    "java.desktop",
    "java.instrument",
    "java.logging",
    "java.management",
    "java.naming",
    "java.net.http",
    "java.rmi",
    "java.scripting",
    "java.security.jgss",
    "java.security.sasl",
    "java.sql",
    "java.xml",
    "jdk.management",
    "jdk.unsupported",
)
# Released for each other: delta-spark's jar and Python package are built against one Spark minor version.
PAIR = {"pyspark": "4.2.0", "delta-spark": "4.4.0"}


@dataclass(frozen=True)
class Check:
    """What was looked at, whether it is right, what was found, and the remedy where it is not."""

    name: str
    ok: bool
    found: str
    remedy: str


def doctor(config: Config) -> list[Check]:
    """All checks; none of them changes anything."""
    checks: list[Callable[[Config], Check]] = [_python, _versions, _java, _modules, _jars, _disk, _memory, _ports]
    return [*(check(config) for check in checks), _answers(config, "kafka"), _answers(config, "store")]


def _python(_: Config) -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    return Check("python", PYTHONS[0] <= sys.version_info[:2] < PYTHONS[1], found, "use Python 3.11, 3.12 or 3.13")


def _versions(_: Config) -> Check:
    found = {name: _version(name) for name in PAIR}
    wanted = " ".join(f"{name}=={number}" for name, number in PAIR.items())
    told = " ".join(f"{name} {number}" for name, number in found.items())
    return Check("spark and delta", found == PAIR, told, f"pip install {wanted}")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _java(_: Config) -> Check:
    try:
        java = find_java()
    except JavaError as error:
        return Check("java", False, str(error), REMEDY)
    number = java_version(java)
    return Check("java", number >= LEAST_JAVA, f"{number} ({java})", REMEDY)


def _modules(_: Config) -> Check:
    remedy = "use a full Java runtime; this one was slimmed"
    try:
        missing = sorted(set(MODULES) - java_modules(find_java()))
    except JavaError as error:
        return Check("java modules", False, str(error), REMEDY)
    return Check("java modules", not missing, f"missing: {', '.join(missing)}" if missing else "all there", remedy)


def _jars(config: Config) -> Check:
    wrong = [jar.file for name in SETS for jar in faults(config.paths.var / "jars" / name, locked(name))]
    total = sum(len(locked(name)) for name in SETS)
    found = f"{len(wrong)} of {total} missing or not the locked ones: {', '.join(wrong[:3])}" if wrong else f"{total}"
    return Check("jars", not wrong, found, "lambda-arch setup")


def _disk(config: Config) -> Check:
    free = shutil.disk_usage(_existing(config.paths.var)).free
    return Check("disk", free >= LEAST_DISK, f"{free / GIB:.1f} GiB free", f"free {LEAST_DISK // GIB} GiB")


def _existing(path: Path) -> Path:
    path = path.resolve()
    return next(place for place in (path, *path.parents) if place.exists())


def _memory(_: Config) -> Check:
    total = psutil.virtual_memory().total
    remedy = f"{LEAST_MEMORY // GIB} GiB are needed; or run the jobs on a cluster"
    return Check("memory", total >= LEAST_MEMORY, f"{total / GIB:.1f} GiB", remedy)


def _ports(config: Config) -> Check:
    ours = {process.pid for process in Supervisor(config.paths.var).processes()}
    names = default_names(config)
    wanted = [port for program in programs(config) if program.name in names for port in program.ports]
    taken = {setting: holder for setting, port in wanted if not is_free(port) and (holder := _stranger(port, ours))}
    found = "; ".join(f"{setting} taken by {holder}" for setting, holder in taken.items())
    return Check("ports", not taken, found or "free or ours", f"stop it, or set {next(iter(taken), 'another')}")


def _stranger(port: int, ours: set[int]) -> str:
    holder = owner(port)
    if holder is not None and holder.pid in ours:
        return ""
    return f"process {holder.pid}" if holder else "a process that this user may not see"


def _answers(config: Config, name: str) -> Check:
    address = {"kafka": config.kafka.bootstrap, "store": config.store.url}[name]
    error = refusal(config, name)
    return Check(name, error is None, address if error is None else str(error), "lambda-arch up")
