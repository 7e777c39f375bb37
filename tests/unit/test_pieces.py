"""Many records taken together are applied by a few entities at a time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lambda_arch.posts import Post
from lambda_arch.tiles import Event
from streaming.apply import Records, in_pieces


def record(offset: int, entity: str) -> Event | Post:
    """Of user or title `entity[1:]`."""
    if entity[0] == "t":
        return Post("posts", 0, offset, "", offset, entity[1:], 0, "")
    return Event("events", 0, offset, "", offset, "view", entity[1:], 0)


def entity(of: Event | Post) -> str:
    return f"u{of.user_id}" if isinstance(of, Event) else f"t{of.title_id}"


@given(st.lists(st.sampled_from(["u1", "u2", "u3", "t1", "t2"])), st.integers(1, 4))
def test_every_record_is_in_one_piece_with_its_entity_s_others_in_their_order(entities: list[str], most: int) -> None:
    log: Records = [record(offset, name) for offset, name in enumerate(entities)]
    pieces = [list(piece) for piece in in_pieces(log, most)]
    assert sorted((found for piece in pieces for found in piece), key=lambda found: found.offset) == log
    in_piece = [{entity(found) for found in piece} for piece in pieces]
    assert all(0 < len(names) <= most for names in in_piece)
    assert sum(map(len, in_piece)) == len(set(entities))
    assert len(pieces) == -(-len(set(entities)) // most)
    for piece in pieces:
        for name in {entity(found) for found in piece}:
            own = [found.offset for found in piece if entity(found) == name]
            assert own == sorted(own)
