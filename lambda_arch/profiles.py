"""A user's whole profile: what the night knew of them, merged with what the speed layer has seen since."""

from __future__ import annotations

import msgspec

from lambda_arch.states import State, since
from lambda_arch.tiles import Profile, Tile, merge_profiles, profile_of

_profile = msgspec.msgpack.Decoder(Profile)


def decode_profile(stored: bytes | None) -> Profile:
    """The profile that a night stored; the empty one where there is none."""
    return _profile.decode(stored) if stored else Profile()


def merged_profile(known: Profile, state: State[Tile], horizon: int, history_limit: int) -> Profile:
    """The night's profile and what came after it; `horizon` is the night's, in microseconds."""
    fresh = profile_of(since(state, horizon), history_limit)
    return merge_profiles(known, fresh, history_limit)
