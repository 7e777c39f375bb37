"""What a valid event or post is, as plain data: each rule with its reason, in the order in which the first one counts.

The gate builds Columns of it (`rules`), the API asks `checking`; tests/parity/test_contract.py holds the two together.
A field is seen as text: of a JSON string its characters, of anything else its JSON; null is as good as absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lambda_arch.tiles import EVENT_TYPES

EVENT_FIELDS = ("event_id", "event_type", "user_id", "title_id", "event_time", "value", "properties")
POST_FIELDS = ("post_id", "text", "event_time", "title_id", "title", "author_id", "source", "language")

# Regular expressions that Java and Python read alike, for a whole text.
_ZONE = r"(?:[Zz]|[+-](?:(?:0[0-9]|1[0-7]):?[0-5][0-9]|18:?00))"
RFC3339 = rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?{_ZONE}"
EPOCH_MILLIS = r"[0-9]{1,15}"
NUMBER = r"[ \t\r\n]*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t\r\n]*"
FIRST_TIME = "1970-01-02T00:00:00Z"

TOO_LARGE, NOT_JSON = "too_large", "not_json"

Check = Literal["missing", "unknown", "nested", "longer", "no_time", "no_number", "outside", "no_map"]


@dataclass(frozen=True)
class Rule:
    """A way in which a field breaks the contract, its reason, and what it means in words.

    `longest` (characters) is of `longer`, `bounds` (both allowed) of `outside`, `known` of `unknown`. Where `only` is
    not empty, the rule is for these event types.
    """

    check: Check
    field: str
    reason: str
    words: str
    longest: int = 0
    bounds: tuple[float, float] = (0.0, 0.0)
    known: tuple[str, ...] = ()
    only: tuple[str, ...] = ()


def _missing(field: str, *only: str) -> Rule:
    whose = f" by {', '.join(only)}" if only else ""
    return Rule("missing", field, f"missing_field:{field}", f"{field} is required{whose}", only=only)


def _id(field: str, longest: int) -> tuple[Rule, ...]:
    """Of an id that may be absent."""
    return (
        Rule("nested", field, f"bad_type:{field}", f"{field} is a text or a number, not an object or list"),
        Rule("longer", field, f"out_of_range:{field}", f"{field} has at most {longest} characters", longest=longest),
    )


def _outside(event_type: str, low: float, high: float) -> Rule:
    words = f"the value of a {event_type} is from {low:g} to {high:g}"
    return Rule("outside", "value", "out_of_range:value", words, bounds=(low, high), only=(event_type,))


_TIME = Rule(
    "no_time", "event_time", "bad_time",
    "event_time is RFC 3339 with a zone, or epoch milliseconds; not before 1970-01-02, nor ahead of the clock",
)  # fmt: skip
_KNOWN = Rule(
    "unknown", "event_type", "unknown_event_type", f"event_type is one of {', '.join(EVENT_TYPES)}", known=EVENT_TYPES
)

EVENT_RULES: tuple[Rule, ...] = (
    _missing("event_id"), *_id("event_id", 64),
    _missing("event_type"), _KNOWN,
    _missing("user_id"), *_id("user_id", 128),
    _missing("title_id", "view", "rating", "list_add", "impression"), *_id("title_id", 128),
    _missing("event_time"), _TIME,
    _missing("value", "view", "rating"),
    Rule("no_number", "value", "bad_type:value", "value is a number"),
    _outside("view", 0.0, 1.0), _outside("rating", 0.5, 5.0),
    _missing("properties", "account"),
    Rule("no_map", "properties", "bad_type:properties", "properties is an object"),
)  # fmt: skip
POST_RULES: tuple[Rule, ...] = (
    _missing("post_id"), *_id("post_id", 64),
    _missing("text"), Rule("longer", "text", "out_of_range:text", "text has at most 10000 characters", longest=10_000),
    _missing("event_time"), _TIME,
    *_id("title_id", 128),
)  # fmt: skip
