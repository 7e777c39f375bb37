"""Records that break a rule, of every kind, as lines for the producer."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass

from streaming.poison import ID, VALID, faults
from streaming.produce import Role


@dataclass(frozen=True)
class Poison:
    """A record's bytes, the topic it is sent to, and the reason for which it is rejected."""

    topic: Role
    value: bytes
    reason: str

    def line(self) -> dict[str, str]:
        """As a line for the producer."""
        return {"topic": self.topic, "key": "poison", "base64": b64encode(self.value).decode(), "reason": self.reason}


def poison(max_bytes: int) -> list[Poison]:
    """The records; `max_bytes` is the longest that is taken."""
    return [
        Poison(topic, fault.spoil({**valid, ID[topic]: f"poison-{number}"}), fault.reason)
        for topic, valid in VALID.items()
        for number, fault in enumerate(faults(topic, max_bytes))
    ]
