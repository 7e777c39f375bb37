"""The OpenAPI document, with the key that each address needs and how it refuses."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from serving.access.scopes import scope_of
from serving.problems import documented

_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key of `lambda-arch keys create`"},
    "basic": {"type": "http", "scheme": "basic", "description": "The same key as the password; for browsers"},
}
_REFUSALS = documented({
    401: "No key, or none in force", 403: "The key lacks the scope", 414: "The address is too long",
    429: "Asked too often",
})  # fmt: skip


def described(app: FastAPI) -> None:
    """Complete the app's OpenAPI document, once it is asked for."""
    plain = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            document.setdefault("components", {})["securitySchemes"] = _SCHEMES
            for path, operations in document["paths"].items():
                for method, operation in operations.items():
                    _complete(operation, scope_of(method.upper(), path))
        return plain()

    app.openapi = complete  # type: ignore[method-assign]


def _complete(operation: dict[str, Any], scope: str | None) -> None:
    if scope is None:
        operation["security"] = []
        return
    operation["security"] = [{"bearer": []}, {"basic": []}]
    operation["x-scope"] = scope
    for status, refusal in _REFUSALS.items():
        operation["responses"].setdefault(str(status), refusal)
