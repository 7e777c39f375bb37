"""The console's files: static, from this package and the installed plotly, nothing from elsewhere."""

from __future__ import annotations

import gzip
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from serving.caching import is_known, tag_of

pages = APIRouter(include_in_schema=False)

# Scripts and styles are files of this server; plotly sets styles by script, and draws legends' pictures from data.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
CHARTS = "plotly.min.js"


class File(NamedTuple):
    """A file as it is sent: compressed where that is worth it."""

    content: bytes
    compressed: bytes
    tag: str
    media_type: str


@pages.get("/")
async def index(request: Request) -> Response:
    """The console."""
    return _sent(request, "index.html")


@pages.get("/console/{name:path}")
async def file(request: Request, name: str) -> Response:
    """One of its files."""
    return _sent(request, name)


def _sent(request: Request, name: str) -> Response:
    found = _file(name)
    if found is None:
        raise HTTPException(404)
    # Asked for again each time, and answered in a few bytes where it is the same: a new release shows at once.
    headers = {
        "ETag": found.tag,
        "Cache-Control": "no-cache",
        "Vary": "Accept-Encoding",
        "Content-Security-Policy": POLICY,
    }
    if is_known(found.tag, request.headers.get("if-none-match")):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(found.compressed, media_type=found.media_type, headers=headers)
    return Response(found.content, media_type=found.media_type, headers=headers)


@cache
def _file(name: str) -> File | None:
    place = _place(name)
    if place is None:
        return None
    content = place.read_bytes()
    return File(content, gzip.compress(content, mtime=0), tag_of(content), TYPES[name.rpartition(".")[2]])


def _place(name: str) -> Traversable | None:
    if name == CHARTS:
        return files("plotly").joinpath("package_data", CHARTS)
    return _own().get(name)


@cache
def _own() -> dict[str, Traversable]:
    """The console's files by name: what is not listed here is not sent."""
    root = files("serving").joinpath("pages")
    scripts = {f"js/{script.name}": script for script in root.joinpath("js").iterdir() if script.name.endswith(".js")}
    return {name: root.joinpath(name) for name in ("index.html", "style.css", "icon.svg")} | scripts
