"""The keys in service, which follow their file within a second; one that is lost or broken later opens nothing.

Once there was a key, nobody comes in without one until the next start: to delete the file must not be a way in.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from lambda_arch.clock import wall_now
from serving.access.keys import Key, KeysError, KeysFile, id_of

LOOK_SECONDS = 1.0

log = structlog.get_logger("api")


class Keyring:
    """Finds the key of a token; raises KeysError at the beginning where the file cannot be read."""

    def __init__(
        self, file: KeysFile, now: Callable[[], int] = wall_now, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._file, self._now, self._clock = file, now, clock
        self._version = file.version()
        self._keys = {key.id: key for key in file.read()}
        self._is_set = bool(self._keys)
        self._look_again = clock() + LOOK_SECONDS

    def is_set(self) -> bool:
        """Whether there is or was a key, or a file that may have some, so that nobody comes in without."""
        self._follow()
        return self._is_set

    def key(self, token: str) -> Key | None:
        """The key that the token is, if it is in force."""
        self._follow()
        found = self._keys.get(id_of(token) or "")
        return found if found and found.opens(token) and found.is_in_force(self._now()) else None

    def _follow(self) -> None:
        if self._clock() < self._look_again:
            return
        self._look_again = self._clock() + LOOK_SECONDS
        version = self._file.version()
        if version in (self._version, None):
            return
        self._version = version
        try:
            self._keys = {key.id: key for key in self._file.read()}
            self._is_set = self._is_set or bool(self._keys)
        except KeysError as error:
            self._is_set = True
            log.warning("keys not read again, those before stay in force", error=str(error))
