"""Logged decisions -> the answers decided again, by the very code that gave them, and where they differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec

from lambda_arch.config import Config
from lambda_arch.models import Models
from lambda_arch.policies import Policy
from lambda_arch.reads import AsyncStore
from serving.answers import Answer, Answers
from serving.entries import Entry, bare

Verdict = Literal["same", "different", "in part"]


class Difference(msgspec.Struct, frozen=True):
    """A field of an answer that came out otherwise."""

    field: str
    logged: Any
    found: Any


class Replayed(msgspec.Struct, frozen=True):
    """What became of one entry; `in part` where a fallback's models are gone and its decision alone was made again."""

    verdict: Verdict
    differences: list[Difference] = []


class Replay:
    """Decides entries again; `models` gives a generation's models, or None where they are gone."""

    def __init__(self, config: Config, models: Callable[[int], Models | None]) -> None:
        self._config, self._models = config, models
        self._by_top_n: dict[int, Answers] = {}

    def replayed(self, entry: Entry) -> Replayed:
        """The entry's answer made again, and whether it is the same."""
        fallback = entry.answer.layer == "fallback"
        models = self._models(entry.loaded) if fallback and entry.loaded else None
        again = self._answers(entry.top_n).answer_of(
            entry.view(models), entry.use_case, Policy.model_validate(entry.policy)
        )
        gone = fallback and entry.loaded != 0 and models is None
        logged, found = (_told(answer, decision_alone=gone) for answer in (entry.answer, bare(again)))
        differences = list(_differences(logged, found))
        return Replayed("different" if differences else "in part" if gone else "same", differences)

    def _answers(self, top_n: int) -> Answers:
        if top_n not in self._by_top_n:
            batch = self._config.batch.model_copy(update={"top_n": top_n})
            config = self._config.model_copy(update={"batch": batch})
            self._by_top_n[top_n] = Answers(AsyncStore(config.store.url), config)  # never connected
        return self._by_top_n[top_n]


def _told(answer: Answer, decision_alone: bool) -> dict[str, Any]:
    """The answer as JSON has it; without what models alone could tell where they are gone."""
    told: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(answer))
    if not decision_alone:
        return told
    rejected = [rejection for rejection in told["decision"]["rejected"] if rejection["reason"] != "no_models"]
    return {"layer": told["layer"], "decision": {**told["decision"], "rejected": rejected}}


def _differences(logged: dict[str, Any], found: dict[str, Any], within: str = "") -> Iterator[Difference]:
    for name in sorted({*logged, *found}):
        one, other = logged.get(name), found.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _differences(one, other, f"{within}{name}.")
        elif one != other:
            yield Difference(f"{within}{name}", one, other)
