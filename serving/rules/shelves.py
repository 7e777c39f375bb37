"""The shelf of the generation and the book in use, made beside the event loop when either changes."""

from __future__ import annotations

import asyncio

from lambda_arch.models import Models
from serving.rules.book import Book
from serving.rules.shelf import Shelf


class Shelves:
    """The newest shelf; whoever asks first for another waits until it is made."""

    def __init__(self) -> None:
        self._shelf: Shelf | None = None
        self._prepared: Shelf | None = None
        self._making: tuple[Models, Book, asyncio.Task[Shelf]] | None = None

    async def prepare(self, models: Models, book: Book) -> None:
        """Make the shelf of models that are not in use yet, beside that of those that are, if anybody needs one."""
        if self._shelf:
            self._prepared = await asyncio.to_thread(Shelf, models, book)

    async def of(self, models: Models, book: Book) -> Shelf:
        """The shelf of these models and this book."""
        if self._shelf and self._shelf.is_of(models, book):
            return self._shelf
        if self._prepared and self._prepared.is_of(models, book):
            self._shelf, self._prepared = self._prepared, None
            return self._shelf
        if self._making is None or self._making[0] is not models or self._making[1] is not book:
            self._making = (models, book, asyncio.create_task(asyncio.to_thread(Shelf, models, book)))
        # Shielded: a client that goes away must not end what others wait for.
        self._shelf = await asyncio.shield(self._making[2])
        return self._shelf
