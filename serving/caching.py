"""Replies that a client may keep and ask about again: their tags, and 304 where it has the same (RFC 9110, 13.1.2)."""

from __future__ import annotations

from hashlib import blake2b
from typing import Annotated, Any

import msgspec
from fastapi import Header, Request, Response

from serving.replies import sent

# Keep it, and ask before it is used again: an answer to a person changes with their next event.
ASK_AGAIN = "private, no-cache"
# Of a title with every night, or with the rules.
A_MINUTE = "private, max-age=60"
UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "What If-None-Match names is still the answer"}}

IfNoneMatch = Annotated[str | None, Header(description="Tags of answers that the caller still has.")]


def sent_once(content: Any, told: Any, known: str | None, keep: str) -> Response:
    """The content, or 304 where the caller knows it by its tag; `told` is what of it counts, which its age does not."""
    tag = f"W/{tag_of(msgspec.json.encode(told))}"
    headers = [(b"etag", tag.encode()), (b"cache-control", keep.encode())]
    if is_known(tag, known):
        return Response(status_code=304, headers={"ETag": tag, "Cache-Control": keep})
    return sent(content, headers)


def conditional(request: Request, body: bytes, media_type: str = "application/json", keep: str = ASK_AGAIN) -> Response:
    """The body, or 304 without it where the client has the same."""
    headers = {"ETag": tag_of(body), "Cache-Control": keep}
    if is_known(headers["ETag"], request.headers.get("if-none-match")):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def tag_of(content: bytes) -> str:
    """What tells the content from any other."""
    return f'"{blake2b(content, digest_size=12).hexdigest()}"'


def is_known(tag: str, if_none_match: str | None) -> bool:
    """Whether a header If-None-Match names the tag, weak or not, or whatever there is."""
    if not if_none_match:
        return False
    named = {one.strip().removeprefix("W/") for one in if_none_match.split(",")}
    return "*" in named or tag.removeprefix("W/") in named
