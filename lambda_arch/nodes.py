"""The store's servers, for an event loop: one of them, or a cluster's, each asked for the keys it has."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Protocol

import hiredis

from lambda_arch.addresses import Address
from lambda_arch.link import ANSWER_SECONDS, Command, Link, connected
from lambda_arch.slots import SLOTS, slot_of

TRIES = 4  # of a command that a cluster sends elsewhere


class Servers(Protocol):
    """Whoever answers commands; a command's second word is its key."""

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """An answer for each command, `hiredis.ReplyError` for one refused; raises OSError where a server is away."""

    async def close(self) -> None:
        """Close the connections."""


def servers_at(address: Address, patience: float = ANSWER_SECONDS) -> Servers:
    """The servers of an address; connected when they are first asked."""
    return Cluster(address, patience) if address.cluster else Node(address, patience)


class Node:
    """One server: connected when first asked, and again after a fault."""

    def __init__(self, address: Address, patience: float) -> None:
        self._address, self._patience = address, patience
        self._connecting: asyncio.Task[Link] | None = None

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Asked once more where the connection turns out to have ended: a server that was restarted is found."""
        link = self._link() or await self._connected()
        try:
            return await link.ask(commands)
        except ConnectionError:
            if link.is_open or self._link():
                raise
        return await (await self._connected()).ask(commands)

    async def close(self) -> None:
        """Close the connection."""
        if self._connecting:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        if link := self._link():
            link.close()

    def _link(self) -> Link | None:
        task = self._connecting
        if task is None or not task.done() or task.cancelled() or task.exception():
            return None
        return task.result() if task.result().is_open else None

    async def _connected(self) -> Link:
        """The connection; whoever asks while it is being made waits for the same one."""
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(connected(self._address, self._patience))
        return await asyncio.shield(self._connecting)


class Cluster:
    """The servers of a cluster: each key's is found by its slot, anew where slots have moved or a server is away."""

    def __init__(self, seed: Address, patience: float) -> None:
        self._seed, self._patience, self._nodes = seed, patience, {str(seed): Node(seed, patience)}
        self._places: list[Node | None] = [None] * SLOTS

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """As `Servers` has it; a command that is sent elsewhere follows.

        Where some of the servers are away, the answer to a command of theirs is an OSError.
        """
        answers: list[Any] = [None] * len(commands)
        left = list(range(len(commands)))
        for _ in range(TRIES):
            found = await self._once([commands[place] for place in left])
            for place, answer in zip(left, found, strict=True):
                answers[place] = answer
            left = [place for place in left if isinstance(answers[place], OSError) or _is_elsewhere(answers[place])]
            if not left:
                return answers
            await self._look()
        if all(isinstance(answer, OSError) for answer in answers):
            raise answers[0]
        return answers

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(node.close() for node in self._nodes.values()))

    async def _once(self, commands: Sequence[Command]) -> list[Any]:
        """Each command asked of the server that is known to have its key; OSError for one whose server is away."""
        groups: dict[Node, list[int]] = defaultdict(list)
        for place, command in enumerate(commands):
            groups[await self._place(command)].append(place)
        asked = [node.ask([commands[place] for place in places]) for node, places in groups.items()]
        answers: list[Any] = [None] * len(commands)
        for places, found in zip(groups.values(), await asyncio.gather(*asked, return_exceptions=True), strict=True):
            if isinstance(found, BaseException) and not isinstance(found, OSError):
                raise found
            each = [found] * len(places) if isinstance(found, OSError) else found
            for place, answer in zip(places, each, strict=True):
                answers[place] = await self._followed(commands[place], answer)
        return answers

    async def _followed(self, command: Command, answer: Any) -> Any:
        """What the server says that a slot is just moving to, once; other answers as they are."""
        if not (isinstance(answer, hiredis.ReplyError) and str(answer).startswith("ASK ")):
            return answer
        host, _, port = str(answer).split()[2].rpartition(":")
        return (await self._node(host, int(port)).ask([("ASKING",), command]))[1]

    async def _place(self, command: Command) -> Node:
        slot = slot_of(command[1])
        if self._places[slot] is None:
            await self._look()
        node = self._places[slot]
        if node is None:
            raise ConnectionError(f"no server of the cluster at {self._seed} has slot {slot}")
        return node

    async def _look(self) -> None:
        """See which server has which slots, from the first that tells; raises OSError where none does."""
        faults: list[OSError] = []
        for node in list(self._nodes.values()):
            try:
                [told] = await node.ask([("CLUSTER", "SLOTS")])
            except OSError as error:
                faults.append(error)
                continue
            if isinstance(told, list) and told:
                self._settle(told)
                return
            faults.append(ConnectionError(str(told) if told else "has no slots"))
        raise faults[0]

    def _settle(self, told: list[Any]) -> None:
        places: list[Node | None] = [None] * SLOTS
        for first, last, (host, port, *_), *_ in told:
            node = self._node((host or b"").decode(), port)
            places[first : last + 1] = [node] * (last + 1 - first)
        self._places = places

    def _node(self, host: str, port: int) -> Node:
        address = self._seed.at(host or self._seed.host, port)
        return self._nodes.setdefault(str(address), Node(address, self._patience))


def _is_elsewhere(answer: Any) -> bool:
    """Whether another server may answer, now or in a moment."""
    return isinstance(answer, hiredis.ReplyError) and str(answer).startswith(("MOVED ", "CLUSTERDOWN ", "TRYAGAIN "))
