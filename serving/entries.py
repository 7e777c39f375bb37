"""A decision and everything it used, as topic `decisions` keeps it: enough to decide again.

`stored` are the very bytes that the store had of both layers, readable or not (base64 in JSON); of the fidelity table
there is the part that was looked at; of an answer's titles the names are left out, which the catalogue has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lambda_arch.clock import wall_now
from lambda_arch.fidelity import FidelityTable
from lambda_arch.keys import Generations
from lambda_arch.models import Models
from lambda_arch.policies import Policy
from lambda_arch.records import USE_CASES, UnknownSchemaError, UseCase
from serving.answers import Answer, View
from serving.current import Loaded
from serving.stored import Pair

SCHEMA = 1


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One answer that went out, and what it was made of; times in microseconds.

    `now` is the configured clock's, `written_at` the wall's. `loaded` is the generation whose models were in memory, 0
    for none; `away` says that the store was. `shown` are the titles that were sent, in their order; None where the
    answer is no list. `arms` are the experiments that the entity takes part in; `shadow`: logged for one of them, and
    not sent.
    """

    use_case: UseCase
    entity: str
    now: int
    written_at: int
    generations: Generations
    loaded: int
    away: bool
    stored: dict[UseCase, Pair]
    fidelity: FidelityTable | None
    policy: dict[str, Any]
    top_n: int
    answer: Answer
    shown: list[str] | None = None
    arms: dict[str, str] = {}
    shadow: bool = False
    schema: int = SCHEMA

    def view(self, models: Models | None) -> View:
        """What was read, as it was read then."""
        return View(
            entity=self.entity, generations=self.generations, now=self.now, stored=self.stored,
            loaded=Loaded(models, self.fidelity), away=self.away,
        )  # fmt: skip


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that goes out, beside what it was made of: an entry in the making."""

    view: View
    answer: Answer
    policy: Policy
    top_n: int
    shown: Sequence[str] | None
    arms: Mapping[str, str]
    written_at: int
    shadow: bool = False


def noted(view: View, answer: Answer, policy: Policy, top_n: int, **told: Any) -> Noted:
    """What is noted of an answer as it goes out; cheap, for somebody waits for it."""
    return Noted(view=view, answer=answer, policy=policy, top_n=top_n, written_at=wall_now(), **told)


def entry_of(note: Noted) -> Entry:
    """The entry of what was noted."""
    view, answer = note.view, note.answer
    table = view.loaded.fidelity
    return Entry(
        use_case=answer.use_case, entity=answer.entity, now=view.now, written_at=note.written_at,
        generations=view.generations, loaded=view.loaded.generation, away=view.away, stored=_records(view.stored),
        fidelity=table and table.at(answer.use_case, answer.decision.bucket), policy=note.policy.model_dump(),
        top_n=note.top_n, answer=bare(answer), shown=None if note.shown is None else list(note.shown),
        arms=dict(note.arms), shadow=note.shadow,
    )  # fmt: skip


def _records(stored: Mapping[UseCase, Pair]) -> dict[UseCase, Pair]:
    """What the answer was made of: of all that was read, the records."""
    return {use_case: pair for use_case, pair in stored.items() if use_case in USE_CASES}


def bare(answer: Answer) -> Answer:
    """The answer without its titles' names."""
    items = answer.value.get("items")
    if items is None:
        return answer
    following = answer.value.get("next")
    value = {**answer.value, "items": [[item["title_id"], item["score"]] for item in items]}
    if following:
        ids = [item["title_id"] for item in following["items"]]
        value["next"] = {**following, "after": following["after"]["title_id"], "items": ids}
    return msgspec.structs.replace(answer, value=value)


def encode_entry(entry: Entry) -> bytes:
    """The entry as JSON."""
    return msgspec.json.encode(entry)


class _Versioned(msgspec.Struct):
    schema: int


_version = msgspec.json.Decoder(_Versioned)
_decoder = msgspec.json.Decoder(Entry)


def decode_entry(logged: bytes) -> Entry:
    """The entry of logged JSON; raises UnknownSchemaError for one of another release, msgspec's error for none."""
    schema = _version.decode(logged).schema
    if schema != SCHEMA:
        raise UnknownSchemaError(f"decision of schema {schema}, this release reads {SCHEMA}")
    return _decoder.decode(logged)
