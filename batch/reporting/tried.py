"""Settings as a reader is told them, and candidates by what sets them apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple


class Candidates(NamedTuple):
    """The settings in which candidates differ, and each candidate's values of them (None: it has no such setting)."""

    settings: list[str]
    values: list[list[Any]]


def told(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by name, of what is nested by its group's and its own; without the grid."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from told(value, f"{before}{name}.") if name != "grid" else ()
        else:
            yield f"{before}{name}", " ".join(map(str, value)) if isinstance(value, list) else value


def apart(trials: Sequence[Mapping[str, Any]]) -> Candidates:
    """What a night's trials differ in: settings that have more than one value among those that have them."""
    each = [dict(told(trial["settings"])) for trial in trials]
    names = dict.fromkeys(name for settings in each for name in settings)
    seen = {name: [settings[name] for settings in each if name in settings] for name in names}
    differ = [name for name, values in seen.items() if any(value != values[0] for value in values)]
    return Candidates(differ, [[settings.get(name) for name in differ] for settings in each])
