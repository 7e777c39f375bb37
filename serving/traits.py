"""What sets a segment apart, in words."""

from __future__ import annotations

import math

from lambda_arch.models import Trait

_LOGARITHMS = ("count", "recent", "titles", "log")  # of 1 + the number


def words(trait: Trait) -> str:
    """A trait in words, in numbers that people count in."""
    kind, _, argument = trait.feature.partition(":")
    mean, everybody = (_number(kind, value) for value in (trait.mean, trait.everybody))
    return f"{_subject(kind, argument)}: {mean}, everybody {everybody}"


def _subject(kind: str, argument: str) -> str:
    match kind:
        case "titles":
            return "titles seen"
        case "count":
            return f"{argument} events"
        case "recent":
            days, _, event = argument.partition(":")
            return f"{event} events of {days} days"
        case "mean":
            return f"{argument} on average"
        case "genre":
            return f"share of {argument}"
        case _:
            return argument or kind


def _number(kind: str, value: float) -> str:
    return f"{math.expm1(value) if kind in _LOGARITHMS else value:.3g}"
