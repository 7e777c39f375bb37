"""How the whole of it stands, as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from serving.problems import DOCUMENTED
from serving.pulse import Pulse

live = APIRouter()
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "Events named `beat`, each a JSON object", "content": {"text/event-stream": {}}},
    422: DOCUMENTED[422],
}


@live.get("/v1/live", responses=STREAM, response_class=StreamingResponse)
async def beats(
    request: Request, count: Annotated[int | None, Query(ge=1, le=3600, description="End after so many.")] = None
) -> StreamingResponse:
    """What flows in, what is known and who answers, once a second until the reader goes (server-sent events)."""
    pulse: Pulse = request.app.state.pulse
    return StreamingResponse(
        _events(pulse, count), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )


async def _events(pulse: Pulse, count: int | None) -> AsyncIterator[bytes]:
    sent = 0
    async for beat in pulse.beats():
        yield b"event: beat\ndata: " + msgspec.json.encode(beat) + b"\n\n"
        sent += 1
        if sent == count:
            return
