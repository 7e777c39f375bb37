"""A reply in one write: nothing is lost, nothing is late, and the order stays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import Response, StreamingResponse

from deploy.ports import free_ports
from serving.one_write import MOST_HELD, Held, OneWrite

MUCH = bytes(MOST_HELD + 1)


class Recorded:
    """A transport that keeps what was written, each write by itself."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def close(self) -> None:
        self.writes.append(b"closed")

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


async def written(doing: Callable[[Held], None]) -> list[bytes]:
    """What was written by the end of the loop's turn after."""
    recorded = Recorded()
    doing(Held(cast(asyncio.Transport, recorded)))
    await asyncio.sleep(0)
    return recorded.writes


def in_turn(*parts: bytes | None) -> Callable[[Held], None]:
    def doing(held: Held) -> None:
        for part in parts:
            held.close() if part is None else held.write(part)

    return doing


@pytest.mark.parametrize(
    ("parts", "writes"),
    [
        pytest.param((b"head", b"body"), [b"headbody"], id="head and body go out together"),
        pytest.param((b"head", b""), [b"head"], id="a reply without a body does not wait"),
        pytest.param((b"head",), [b"head"], id="a head alone goes out in the loop's next turn"),
        pytest.param((b"a", b"b", b"c", b"d"), [b"abcd"], id="two replies in a turn go out together, in their order"),
        pytest.param((MUCH, b"b"), [MUCH, b"b"], id="much goes out at once, so that its reader can be behind"),
        pytest.param((b"a", MUCH, b"b"), [b"a" + MUCH, b"b"], id="with what waited before it"),
        pytest.param((b"head", None), [b"head", b"closed"], id="what waits is sent before the end"),
        pytest.param((b"head", b"body", None), [b"headbody", b"closed"], id="the end after a whole reply"),
    ],
)
def test_what_is_written_in_a_turn_goes_out_in_the_next(parts: tuple[bytes | None, ...], writes: list[bytes]) -> None:
    assert asyncio.run(written(in_turn(*parts))) == writes


async def exchanged(port: int) -> list[bytes]:
    """What a client reads of two replies on one connection, then of a stream whose parts it waits for."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    read = []
    for _ in range(2):
        writer.write(b"GET /whole HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        read.append(head[:15] + await reader.readexactly(5))
    writer.write(b"GET /parts HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    for _ in range(2):  # the second part is made only when the first was read
        read.append((await reader.readuntil(b"\n\r\n")).split(b"\r\n")[1])
        gate.set()
    writer.close()
    return read


gate = asyncio.Event()


def test_a_real_server_answers_whole_and_in_parts() -> None:
    [port] = free_ports(1)
    app = FastAPI()

    @app.get("/whole")
    async def whole() -> Response:
        return Response(b"whole")

    @app.get("/parts")
    async def parts() -> StreamingResponse:
        async def each() -> Any:
            yield b"one\n"
            await gate.wait()
            yield b"two\n"

        return StreamingResponse(each())

    async def run() -> list[bytes]:
        server = uvicorn.Server(uvicorn.Config(app, port=port, http=OneWrite, ws="none", log_level="warning"))
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        read = await asyncio.wait_for(exchanged(port), 10)
        server.should_exit = True
        await serving
        return read

    assert asyncio.run(run()) == [b"HTTP/1.1 200 OKwhole"] * 2 + [b"one\n", b"two\n"]
