"""Answers that need not be sent twice: their tags (RFC 9110, section 8.8.3) and how long they may be kept."""

from __future__ import annotations

from hashlib import blake2b
from typing import Annotated, Any

import msgspec
from fastapi import Header, Response

from serving.replies import sent

# An answer to a person changes with their next event: kept only to be asked about.
ASK_AGAIN = "private, no-cache"
# Of a title with every night, or with the rules.
A_MINUTE = "private, max-age=60"
UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "What If-None-Match names is still the answer"}}

IfNoneMatch = Annotated[str | None, Header(description="Tags of answers that the caller still has.")]


def sent_once(content: Any, told: Any, known: str | None, keep: str) -> Response:
    """The content, or 304 where the caller knows it by its tag; `told` is what of it counts, which its age does not."""
    tag = f'W/"{blake2b(msgspec.json.encode(told), digest_size=12).hexdigest()}"'
    is_known = known is not None and (tag in [one.strip() for one in known.split(",")] or known.strip() == "*")
    response = Response(status_code=304) if is_known else sent(content)
    response.headers["ETag"], response.headers["Cache-Control"] = tag, keep
    return response
