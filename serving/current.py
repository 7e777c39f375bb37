"""The models and the fidelity table of the generation in service, kept in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from lambda_arch.fidelity import FidelityTable
from lambda_arch.models import Models
from lambda_arch.reads import AsyncStore
from lambda_arch.records import UnknownSchemaError
from lambda_arch.store import StoreError

RETRY_SECONDS = 1.0
Prepare = Callable[[Models], Awaitable[None]]


class Loaded(msgspec.Struct, frozen=True):
    """One generation in memory; None where nothing is."""

    models: Models | None = None
    fidelity: FidelityTable | None = None

    @property
    def generation(self) -> int:
        """Its number; 0 is none."""
        return self.models.generation if self.models else 0


class Current:
    """Follows the pointer: a new generation is loaded beside the old one, which answers until then.

    `loaded` is what is in memory; `fault` says why it is not the generation that was asked for. `prepare` makes of new
    models what answers need besides, before they are in use.
    """

    def __init__(self, store: AsyncStore) -> None:
        self._store = store
        self.loaded = Loaded()
        self.prepare: Prepare = _nothing
        self._loading: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self.fault = ""

    async def of(self, generation: int, wait: bool = False) -> Loaded:
        """What is in memory, after a load if that is nothing or if told to `wait`; never raises for the store."""
        if generation in (0, self.loaded.generation):
            return self.loaded
        task = self._load_of(generation)
        if task and (wait or self.loaded.models is None):
            await asyncio.shield(task)
        return self.loaded

    async def close(self) -> None:
        """End a load under way."""
        if self._loading:
            self._loading.cancel()
            await asyncio.gather(self._loading, return_exceptions=True)

    def _load_of(self, generation: int) -> asyncio.Task[None] | None:
        if self._loading and not self._loading.done():
            return self._loading
        now = asyncio.get_running_loop().time()
        if now < self._not_before:  # the last load failed: not again for every request
            return None
        self._not_before = now + RETRY_SECONDS
        self._loading = asyncio.create_task(self._load(generation))
        return self._loading

    async def _load(self, generation: int) -> None:
        try:
            models, fidelity = await self._store.models(generation), await self._store.fidelity(generation)
        except (StoreError, UnknownSchemaError, msgspec.MsgspecError) as error:
            self.fault = f"models of generation {generation}: {error}"
            return
        if models is None:
            self.fault = f"models of generation {generation} are gone: publish it again with `lambda-arch night`"
            return
        await self.prepare(models)
        self.loaded, self.fault, self._not_before = Loaded(models, fidelity), "", 0.0


async def _nothing(models: Models) -> None:
    """Models are all that is needed."""
