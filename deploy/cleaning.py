"""Deleting the state of the embedded servers and jobs."""

from __future__ import annotations

import shutil
from pathlib import Path

from lambda_arch.config import Config, ConfigError


def clean(config: Config) -> list[Path]:
    """Delete everything under `paths.var`, the fetched jars too; answers what was deleted. The servers are down.

    Raises ConfigError where `paths.var` is a folder that holds more than state.
    """
    var = config.paths.var.resolve()
    if any(place.resolve().is_relative_to(var) for place in (Path.cwd(), Path.home(), Path(__file__))):
        raise ConfigError(f"setting paths.var: {var} holds more than state; nothing was deleted")
    found = sorted(var.iterdir()) if var.is_dir() else []
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return found
