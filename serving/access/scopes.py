"""What an address asks for: one pure and total function of method and path; what it does not know is for admins."""

from __future__ import annotations

from typing import Literal, get_args

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

OPEN = frozenset(("/health", "/metrics"))
WRITES = frozenset(("/v1/events", "/v1/posts"))
# What holds records of people as they came, or all of one person.
_GUARDED = ("/v1/quarantine", "/v1/erasures")
# Questions that are too long for an address.
_ASKED_BY_POST = ("/recommendations", "/predictions")
_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))


def scope_of(method: str, path: str) -> Scope | None:
    """The scope that a request needs; None where it needs none."""
    if method in _SAFE:
        return _of_reading(path)
    if method == "POST" and path in WRITES:
        return "write"
    return "read" if method == "POST" and path.endswith(_ASKED_BY_POST) else "admin"


def is_safe(method: str) -> bool:
    """Whether the method changes nothing."""
    return method in _SAFE


def allows(scopes: tuple[Scope, ...], needed: Scope) -> bool:
    """Whether a key of these scopes may; admin may all, write alone may not read."""
    return needed in scopes or "admin" in scopes


def _of_reading(path: str) -> Scope | None:
    if path in OPEN:
        return None
    exports = path.startswith("/v1/users/") and path.endswith("/export")
    return "admin" if exports or path.startswith(_GUARDED) else "read"
