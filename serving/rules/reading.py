"""The rules' file -> the book in use, read anew when it changes; a broken one leaves the last good one in use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
import yaml
from pydantic import ValidationError

from lambda_arch.config import ConfigError
from serving.rules.book import Book

LOOK_SECONDS = 1.0

log = structlog.get_logger("rules")
Stamp = tuple[int, int, int]


def read_book(path: Path) -> Book:
    """The rules of a file; raises ConfigError naming each fault of it."""
    try:
        # The loader in C: a catalogue's ratings are some ten thousand lines.
        loaded = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        return Book.model_validate({} if loaded is None else loaded)
    except OSError as error:
        raise ConfigError(f"rules {path}: {error.strerror}; correct serving.rules or the file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"rules {path}: not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        raise ConfigError(f"rules {path}: {'; '.join(map(_fault, error.errors()))} (see docs/rules.md)") from None


class Rulebook:
    """The book in use and how it came about; raises ConfigError where it cannot be read to begin with."""

    def __init__(self, path: Path | None, told: Callable[[bool], None] = lambda good: None) -> None:
        self._path, self._told = path, told
        self._stamp = _stamp(path) if path else None
        self.book = read_book(path) if path else Book()
        self.version = 1 if path else 0
        self.fault = ""

    async def follow(self) -> None:
        """Look for changes until cancelled; returns at once where there is no file."""
        while self._path:
            await asyncio.sleep(LOOK_SECONDS)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Read the file if it changed since it was looked at."""
        if self._path is None or (stamp := _stamp(self._path)) == self._stamp:
            return
        self._stamp = stamp
        try:
            self.book = read_book(self._path)
        except ConfigError as error:
            self.fault = f"{error}; the rules of before stay in use"
            log.error("rules not read", fault=self.fault)
        else:
            self.version, self.fault = self.version + 1, ""
            log.info("rules read", path=str(self._path), version=self.version)
        self._told(not self.fault)


def _stamp(path: Path) -> Stamp | None:
    """What differs when a file was written or replaced; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _fault(fault: Any) -> str:
    key = ".".join(str(part) for part in fault["loc"]) or "the top"
    if fault["type"] == "extra_forbidden":
        return f"unknown key {key}"
    # Ids that are numbers, and NO for Norway, which YAML takes for false.
    return f"{key}: {fault['msg']}{': put it in quotes' if fault['type'] == 'string_type' else ''}"
