"""Whether a header If-None-Match names what would be sent."""

from __future__ import annotations

import pytest

from serving.caching import is_known, tag_of

TAG = tag_of(b"an answer")


@pytest.mark.parametrize(
    ("header", "known"),
    [
        pytest.param(None, False, id="there is no header"),
        pytest.param("", False, id="the header is empty"),
        pytest.param(TAG, True, id="the very tag"),
        pytest.param(f"W/{TAG}", True, id="the tag, weak"),
        pytest.param(f'"another", {TAG} ,"a third"', True, id="the tag among others"),
        pytest.param('"another", W/"a third"', False, id="others alone"),
        pytest.param("*", True, id="whatever there is"),
        pytest.param(TAG.strip('"'), False, id="the tag without its quotes is no tag"),
    ],
)
@pytest.mark.parametrize("weak", ["", "W/"], ids=["strong", "weak"])
def test_a_tag_is_known_by_weak_comparison(header: str | None, known: bool, weak: str) -> None:
    assert is_known(weak + TAG, header) == known


def test_another_content_has_another_tag() -> None:
    assert tag_of(b"an answer") == TAG != tag_of(b"another")
