"""Every failure as a problem document (RFC 9457): what is wrong and what to do, never a stack trace."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from lambda_arch.store import StoreError
from serving.rules.wish import WishError

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = "5"


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


def documented(statuses: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """Statuses with what they mean here -> their problem documents in OpenAPI."""
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {status: {"description": text, "content": content} for status, text in statuses.items()}


def absent(text: str) -> dict[str, Any]:
    """A problem of one kind, for OpenAPI."""
    return documented({404: text})[404]


OF_BODIES = documented({
    400: "The body is not JSON in UTF-8", 408: "The body did not come in time", 413: "The body is too large",
})  # fmt: skip
DOCUMENTED = documented({422: "A parameter is out of bounds", 503: "The store does not answer"})


def with_problems(app: FastAPI) -> None:
    """Answer every error of the app by a problem document."""
    app.add_exception_handler(StoreError, _store_away)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(WishError, _unknown)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _fault)


def problem(
    status: int, detail: str, headers: Mapping[str, str] | None = None, extra: Mapping[str, Any] | None = None
) -> JSONResponse:
    """The problem document of a status; `extra` are members of its own (RFC 9457, 3.2)."""
    content = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail).model_dump()
    return JSONResponse({**content, **(extra or {})}, status, headers=headers, media_type=MEDIA_TYPE)


def fault(name: str, message: str) -> RequestValidationError:
    """What is wrong with a parameter, where its type cannot tell: a 422 as if it could."""
    return RequestValidationError([{"loc": ("query", name), "msg": message}])


async def _store_away(request: Request, error: Exception) -> JSONResponse:
    return problem(503, str(error), {"Retry-After": RETRY_SECONDS})


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    return problem(422, "; ".join(f"{fault['loc'][-1]}: {fault['msg']}" for fault in faults))


async def _unknown(request: Request, error: Exception) -> JSONResponse:
    return problem(422, str(error))


async def _http(request: Request, error: Exception) -> JSONResponse:
    status, detail, headers = 500, "", None
    if isinstance(error, HTTPException):
        status, detail, headers = error.status_code, error.detail, error.headers
    if detail in ("", HTTPStatus(status).phrase):  # the framework's own, which says no more than the status
        detail = f"{request.method} {request.url.path}: the addresses are in /openapi.json"
    return problem(status, detail, headers)


async def _gone(request: Request, error: Exception) -> JSONResponse:
    """Of a client that went away before its body was whole: nobody hears it, and nothing is at fault here."""
    return problem(400, "the body was not whole")


async def _fault(request: Request, error: Exception) -> JSONResponse:
    return problem(500, "the fault is ours; the service's log has it")
