"""Before every address: who asks, whether they may, and whether they ask too often."""

from __future__ import annotations

import math
from base64 import b64decode
from binascii import Error as Base64Error

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from lambda_arch.policies import Access
from serving.access.keyring import Keyring
from serving.access.keys import Key
from serving.access.rates import Rate, Rates
from serving.access.scopes import Scope as Needed
from serving.access.scopes import allows, is_safe, scope_of
from serving.problems import problem

REALM = 'realm="audience predictions"'
# The second lets a browser ask for the key: any user name, the key for a password.
CHALLENGE = f"Bearer {REALM}, Basic {REALM}"
ASKED_BY = "lambda_arch.key"  # where in an ASGI scope the key's id is
_SAME_SITE = frozenset((b"same-origin", b"none"))


class Door:
    """Knows who may come in: whoever holds a key of the scope that the address needs, and does not ask too often.

    Without any key in the file everything is open: the API then listens on this machine alone (jobs/run_api.py).
    """

    def __init__(self, keyring: Keyring, access: Access) -> None:
        self._keyring, self._rates = keyring, Rates()
        self._rate = Rate(access.rate_per_second, access.burst)

    def refusal(self, scope: Scope) -> JSONResponse | None:
        """Why a request may not come in; None where it may. Who was let in once is not counted again."""
        is_guarded = scope["type"] == "http" and self._keyring.is_set() and ASKED_BY not in scope
        needed = scope_of(scope["method"], scope["path"]) if is_guarded else None
        return self._refusal(scope, needed) if needed else None

    def _refusal(self, scope: Scope, needed: Needed) -> JSONResponse | None:
        headers = dict(scope["headers"])
        scheme, token = _credentials(headers.get(b"authorization", b""))
        key = self._keyring.key(token)
        if key is None:
            return problem(401, _ask_for_key(token), {"WWW-Authenticate": CHALLENGE})
        if not allows(key.scopes, needed):
            told = f"key {key.id} ({key.name}) has {', '.join(key.scopes)}; this address needs {needed}"
            return problem(403, told, {"WWW-Authenticate": f'Bearer {REALM}, error="insufficient_scope"'})
        if scheme == b"basic" and not is_safe(scope["method"]) and not _is_same_site(headers):
            return problem(403, "a page of another site asked, with the key that the browser remembers: refused")
        refusal = self._too_often(key)
        if refusal is None:
            scope[ASKED_BY] = key.id
        return refusal

    def _too_often(self, key: Key) -> JSONResponse | None:
        rate = Rate(key.rate or self._rate.per_second, key.burst or self._rate.burst)
        wait = self._rates.wait(key.id, rate)
        if not wait:
            return None
        told = f"key {key.id} may ask {rate.per_second:g} times a second, {rate.burst} at once"
        return problem(429, told, {"Retry-After": str(math.ceil(wait))})


def _credentials(header: bytes) -> tuple[bytes, str]:
    """The scheme, in small letters, and the token; empty where there is none."""
    scheme, _, rest = header.strip().partition(b" ")
    scheme, rest = scheme.lower(), rest.strip()
    if scheme == b"bearer":
        return scheme, rest.decode("latin-1")
    if scheme != b"basic":
        return scheme, ""
    try:
        return scheme, b64decode(rest, validate=True).partition(b":")[2].decode("latin-1")
    except Base64Error:
        return scheme, ""


def _ask_for_key(token: str) -> str:
    if token:
        return "the key is unknown, revoked or expired: `lambda-arch keys list` has those in force"
    return "send a key: `Authorization: Bearer la_…`; `lambda-arch keys create` makes one"


def _is_same_site(headers: dict[bytes, bytes]) -> bool:
    """Whether no page of another site sent this; a program sends neither header."""
    if b"sec-fetch-site" in headers:
        return headers[b"sec-fetch-site"] in _SAME_SITE
    origin = headers.get(b"origin")
    return origin is None or origin.partition(b"://")[2] == headers.get(b"host")


class Guard:
    """ASGI middleware: lets through who may come in."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app, self._door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app, or refuse."""
        await (self._door.refusal(scope) or self._app)(scope, receive, send)
