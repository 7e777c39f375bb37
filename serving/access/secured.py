"""An app behind the guard."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from lambda_arch.policies import Access
from serving.access.addresses import ReadableAddress
from serving.access.described import described
from serving.access.guard import Door, Guard
from serving.access.headers import SecurityHeaders
from serving.access.keyring import Keyring
from serving.access.keys import KeysFile


def door_of(access: Access) -> Door:
    """The door for who holds a key; raises KeysError where the file of keys cannot be read."""
    return Door(Keyring(KeysFile(access.keys_file)), access)


def secured(app: FastAPI, access: Access, door: Door) -> None:
    """Put guard and headers before the app."""
    described(app)
    # The last that is added is the first that is asked.
    app.add_middleware(Guard, door=door)
    if access.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=access.origins, allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "If-None-Match"], expose_headers=["ETag", "Retry-After"],
        )  # fmt: skip
    app.add_middleware(ReadableAddress)
    app.add_middleware(SecurityHeaders)
