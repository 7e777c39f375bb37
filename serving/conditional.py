"""Replies that a client may keep and ask about again: an ETag of the content, 304 where it is the same."""

from __future__ import annotations

from hashlib import blake2b

from fastapi import Request, Response

KEEP = "private, no-cache"  # keep it, and ask before it is used again


def conditional(request: Request, body: bytes, media_type: str = "application/json", keep: str = KEEP) -> Response:
    """The body, or 304 without it where the client has the same (RFC 9110, 13.1.2)."""
    tag = f'"{blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": keep}
    asked = {part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")}
    if tag in asked or "*" in asked:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)
