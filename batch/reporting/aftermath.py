"""After publication, and never before it: the registry and the report. Neither can undo a night."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from batch.stored import before, stored
from lambda_arch.config import Config
from lambda_arch.keys import Generations
from lambda_arch.lake import Lake


class Outcome(NamedTuple):
    """How it went with the registry: well or not, and in words."""

    well: bool
    words: str


def tell(lake: Lake, pointer: Generations, config: Config, number: int) -> Path:
    """Record what the registry lacks, and write the generation's report, which says how that went; its page's path."""
    return reported(lake, config, number, recorded(lake, pointer, config).words)


def recorded(lake: Lake, pointer: Generations, config: Config) -> Outcome:
    """Let the registry catch up. A registry that fails is tried again the next night."""
    if not config.mlflow.tracking_uri:
        return Outcome(True, "none: mlflow.tracking_uri is empty")
    # Late, for mlflow is slow to import, and a generation is published without it.
    from batch.reporting.tracking import sync
    from lambda_arch.registry import Registry, RegistryError

    try:
        numbers = sync(lake, Registry(config.mlflow), pointer)
    except RegistryError as error:
        return Outcome(False, f"not recorded: {error}")
    told = ", ".join(map(str, numbers)) or "nothing new"
    return Outcome(True, f"recorded at {config.mlflow.tracking_uri}: {told}")


def followed(pointer: Generations, config: Config) -> Outcome:
    """Let the registry's aliases follow the pointer: after a rollback, say."""
    if not config.mlflow.tracking_uri:
        return Outcome(True, "none: mlflow.tracking_uri is empty")
    from lambda_arch.registry import Registry, RegistryError

    try:
        Registry(config.mlflow).point(pointer.current, pointer.previous)
    except RegistryError as error:
        return Outcome(False, str(error))
    return Outcome(True, f"champions are of generation {pointer.current} at {config.mlflow.tracking_uri}")


def reported(lake: Lake, config: Config, number: int, registry: str) -> Path:
    """Write a generation's report; raises NoGenerationError where the lake has no such generation."""
    from batch.reporting.report import told_of, write_report

    generation = stored(lake, number)
    return write_report(told_of(generation, before(lake, generation.horizon), registry), config.paths.reports)
