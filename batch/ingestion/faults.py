"""Faults of files, said in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from sqlite3 import Error as SqliteError

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException, PythonException
from pyspark.sql import SparkSession

# What reading may raise: PySpark does not know all of its JVM's exceptions.
READING = (PySparkException, Py4JJavaError, SqliteError, OSError, ValueError)
_TASKS = ("org.apache.spark.executor.Executor", "org.apache.spark.scheduler.TaskSetManager")


def said(error: Exception) -> str:
    """The one line of an exception that says what is wrong; traces stand around it."""
    if isinstance(error, PythonException):
        last = _lines(str(error))[-1]
        return last.partition(": ")[2] or last
    if isinstance(error, Py4JJavaError):
        return _said_by_java(error.java_exception)
    return next(iter(_lines(str(error))), type(error).__name__)


@contextmanager
def silent_tasks(spark: SparkSession) -> Iterator[None]:
    """Failing tasks are not logged with their traces: what they say is in the exception that is raised."""
    log4j = spark.sparkContext._jvm.org.apache.logging.log4j  # type: ignore[union-attr]
    levels = {name: log4j.LogManager.getLogger(name).getLevel() for name in _TASKS}
    for name in _TASKS:
        log4j.core.config.Configurator.setLevel(name, log4j.Level.OFF)
    try:
        yield
    finally:
        for name, level in levels.items():
            log4j.core.config.Configurator.setLevel(name, level)


def _said_by_java(exception: object) -> str:
    """The first line of the innermost cause."""
    while (cause := exception.getCause()) is not None:  # type: ignore[attr-defined]
        exception = cause
    kind, message = exception.getClass().getSimpleName(), exception.getMessage()  # type: ignore[attr-defined]
    first = next(iter(_lines(message or "")), "")
    # A class that is not found says its name and no more.
    return first if " " in first else f"{kind}: {first}"


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]
