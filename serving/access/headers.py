"""What every reply tells a browser: guess no types, show it in no frame, tell nobody where you were, keep no copy."""

from __future__ import annotations

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


class SecurityHeaders:
    """ASGI middleware that adds the headers to every reply."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app with its replies' headers completed."""

        async def completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                had = list(message.get("headers", ()))
                names = {name.lower() for name, _ in had}
                rest = [pair for pair in _ELSE if pair[0] not in names]
                message["headers"] = [*had, *ALWAYS, *rest]
            await send(message)

        await self._app(scope, receive, completed if scope["type"] == "http" else send)
