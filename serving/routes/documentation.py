"""The page of the API's description, from an installed wheel: nothing is loaded from elsewhere, nothing is inline."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from serving.access.headers import PAGE_POLICY
from serving.caching import conditional

# fastapi-offline has swagger-ui's files as data; none of its code is used.
_WHEEL = files("fastapi_offline") / "static"
_TYPES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css", "favicon.png": "image/png"}
_PAGE = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Audience predictions: the API</title>
<link rel="icon" href="/docs/favicon.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<main id="api"></main>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</html>
"""
_START = b"""SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#api", deepLinking: true, persistAuthorization: false, validatorUrl: null,
});
"""

documentation = APIRouter(prefix="/docs", include_in_schema=False)


@documentation.get("")
async def page() -> Response:
    """The page."""
    return Response(_PAGE, media_type="text/html", headers={"Content-Security-Policy": PAGE_POLICY})


@documentation.get("/start.js")
async def start(request: Request) -> Response:
    """What makes the page of the description."""
    return conditional(request, _START, "text/javascript")


@documentation.get("/{name}")
async def part(request: Request, name: str) -> Response:
    """A file of the wheel."""
    if name not in _TYPES:
        raise HTTPException(404, f"/docs has no {name}")
    return conditional(request, (_WHEEL / name).read_bytes(), _TYPES[name])
