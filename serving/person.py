"""What is known of one viewer beyond the layers' records: the night's profile, and what came since."""

from __future__ import annotations

from functools import cached_property
from typing import cast

import msgspec

from lambda_arch.profiles import decode_profile, merged_profile
from lambda_arch.records import UnknownSchemaError, UseCase
from lambda_arch.states import State, decode_state
from lambda_arch.tiles import Profile, Seen, Tile
from serving.answers import View

# Fields beside the records: the generation's hash has the one, the speed layer's the other.
PROFILE, STATE = cast(tuple[UseCase, UseCase], ("profile", "state"))


class Person:
    """A viewer as a view has read them, with PROFILE and STATE among what was asked for.

    What this release cannot read counts as nothing: an answer needs neither.
    """

    def __init__(self, view: View, history_limit: int) -> None:
        self._view, self._limit = view, history_limit

    @cached_property
    def night(self) -> Profile:
        """What the generation's night knew."""
        try:
            return decode_profile(self._view.stored[PROFILE][0])
        except msgspec.MsgspecError:
            return Profile()

    @cached_property
    def whole(self) -> Profile:
        """That and all that came since."""
        return merged_profile(self.night, self._state, self._view.generations.current_horizon, self._limit)

    @property
    def seen(self) -> list[str]:
        """Every title of the history."""
        return [entry.title for entry in self.whole.lifetime.history]

    def knows(self, seen: Seen) -> str:
        """The layer that knew of it first."""
        return "batch" if seen in self._of_night else "speed"

    def taste(self, layer: str) -> tuple[Seen, ...]:
        """The history that a layer's list is made of, newest first."""
        return (self.night if layer == "batch" else self.whole).lifetime.history

    @cached_property
    def _of_night(self) -> frozenset[Seen]:
        return frozenset(self.night.lifetime.history)

    @cached_property
    def _state(self) -> State[Tile]:
        return _state_of(self._view)


def seen_since(view: View, titles: set[str]) -> bool:
    """Whether one of the titles was seen since the night, by the STATE in a view."""
    stored = view.stored[STATE][1] or b""
    # An id stands in the state's bytes as it is: as a rule none does, and there is nothing to decode.
    if not any(title.encode() in stored for title in titles):
        return False
    tiles = _state_of(view).tiles.values()
    return any(entry.title in titles for tile in tiles for entry in tile.history)


def _state_of(view: View) -> State[Tile]:
    try:
        return decode_state(view.stored[STATE][1], Tile)
    except (msgspec.MsgspecError, UnknownSchemaError):
        return State()
