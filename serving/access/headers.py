"""What every reply tells a browser: guess no types, show it in no frame, tell nobody where you were, keep no copy."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Of pages that are files of ours: nothing from elsewhere, and nothing inline.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Of data, which is no page at all.
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
# Unless the address says otherwise: most replies are about somebody.
_ELSE = ((b"content-security-policy", DATA_POLICY.encode()), (b"cache-control", b"no-store"))


Header = tuple[bytes, bytes]


def completed(had: Iterable[Header]) -> list[Header]:
    """A reply's headers, and what is missing of those that every reply has."""
    found = list(had)
    names = {name.lower() for name, _ in found}
    return [*found, *ALWAYS, *(pair for pair in _ELSE if pair[0] not in names)]


class SecurityHeaders:
    """ASGI middleware that adds the headers to every reply."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app with its replies' headers completed."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = completed(message.get("headers", ()))
            await send(message)

        await self._app(scope, receive, sent if scope["type"] == "http" else send)
