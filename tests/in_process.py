"""The API without a socket: questions asked of the very app, which begins and ends with them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import httpx
from fastapi import FastAPI


def asked(app: FastAPI, paths: Sequence[str]) -> list[httpx.Response]:
    """The replies, in order; the app is ended when the last is there."""

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=app)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://api") as c:
            return [await c.get(path) for path in paths]

    return asyncio.run(ask())
