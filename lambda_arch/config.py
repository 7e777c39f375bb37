"""Settings: defaults, then a file, then the environment; frozen, and read once by a job."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, ValidationError

from lambda_arch.addresses import address_of
from lambda_arch.policies import Serving
from lambda_arch.recipes import Batch, Section

PREFIX = "LAMBDA_ARCH__"
FILE_VARIABLE = "LAMBDA_ARCH_CONFIG"
_MOVED = {"serving.limits": "serving.policies", "serving.margin_errors": "serving.policies.USE_CASE.margin_errors"}


class ConfigError(ValueError):
    """A setting is unknown or has a wrong value; the message names it and the remedy."""


class Paths(Section):
    """Where state lies."""

    var: Path
    lake: str
    checkpoints: str
    reports: Path


class Topics(Section):
    """Kafka topic names by role."""

    events: str
    posts: str
    gated: str
    predictions: str
    quarantine: str
    decisions: str
    erasures: str


class Kafka(Section):
    """The broker and the topics' shape."""

    bootstrap: str
    partitions: int
    replication: int
    topics: Topics


def _is_address(url: str) -> str:
    address_of(url)
    return url


class Store(Section):
    """The Redis-protocol store."""

    url: Annotated[str, AfterValidator(_is_address)]
    ttl_days: int


class Spark(Section):
    """Spark sessions of the batch jobs."""

    master: str
    driver_memory: str
    shuffle_partitions: int
    conf: dict[str, str]


class Rule(Section):
    """A company's own rule: an event for which `unless` is not true is quarantined with `reason`."""

    reason: str
    unless: str


class Events(Section):
    """What a valid event is, beyond the contract."""

    max_ahead_minutes: int
    max_bytes: int
    rules: tuple[Rule, ...]


class Features(Section):
    """Bounds of the features."""

    history_limit: int


class Speed(Section):
    """The speed layer."""

    mode: Literal["realtime", "microbatch"]
    batch_seconds: int
    master: str
    driver_memory: str
    scorers: int
    scorer_batch: int = Field(ge=1)
    backlog_batch: int = Field(ge=1)
    rescore_share: float = Field(gt=0, le=1)
    metrics_port: int = Field(ge=0, le=65535)
    query_metrics_port: int = Field(ge=0, le=65535)


class Archive(Section):
    """Kafka to bronze to silver, and the files of the lake."""

    trigger_seconds: int
    silver_seconds: int = Field(ge=0)
    compact_minutes: float = Field(ge=0)
    compact_mib: int = Field(ge=1)
    driver_memory: str


class Schedule(Section):
    """When nights run, and how many missed ones are caught up."""

    cron: str
    most_nights: int


class Mlflow(Section):
    """The registry; an empty address is none."""

    tracking_uri: str
    artifacts: Path
    name: str


class Embedded(Section):
    """The servers that `lambda-arch up` runs on this machine."""

    kafka_port: int
    controller_port: int
    kafka_heap: str
    store_port: int


class Config(Section):
    """All settings."""

    clock: Literal["wall", "event"]
    paths: Paths
    kafka: Kafka
    store: Store
    spark: Spark
    events: Events
    features: Features
    batch: Batch
    speed: Speed
    archive: Archive
    serving: Serving
    mlflow: Mlflow
    schedule: Schedule
    embedded: Embedded


def load_config(environ: Mapping[str, str] = os.environ, file: Path | None = None) -> Config:
    """Defaults, overlaid by the file named in LAMBDA_ARCH_CONFIG (else `file`), overlaid by LAMBDA_ARCH__* variables.

    Raises ConfigError naming every unknown key and wrong value.
    """
    values = yaml.safe_load(files("lambda_arch").joinpath("defaults.yaml").read_text(encoding="utf-8"))
    if path := environ.get(FILE_VARIABLE) or file:
        values = _overlaid(values, _read(Path(path)))
    for name in sorted(key for key in environ if key.startswith(PREFIX)):
        value: Any = yaml.safe_load(environ[name])
        for part in reversed(name.removeprefix(PREFIX).lower().split("__")):
            value = {part: value}
        values = _overlaid(values, value)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explained(error)) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"configuration {path}: {error.strerror}; fix {FILE_VARIABLE} or the file") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"configuration {path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(loaded or {}, dict):
        raise ConfigError(f"configuration {path}: want a mapping of settings at the top")
    return loaded or {}


def _overlaid(below: Any, above: Any) -> Any:
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return {key: _overlaid(below.get(key), above[key]) if key in above else below[key] for key in {**below, **above}}


def _explained(error: ValidationError) -> str:
    lines = []
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"])
        moved = f", which is now {_MOVED[key]}" if key in _MOVED else ""
        unknown = fault["type"] == "extra_forbidden"
        told = f"unknown setting {key}{moved}" if unknown else f"setting {key}: {fault['msg']}, have {fault['input']!r}"
        lines.append(told)
    return "; ".join(lines) + " (every setting with its default: lambda_arch/defaults.yaml)"
