"""API keys and the file that has them: a key is shown once, the file has its SHA-256.

A key is `la_ID_SECRET`, the secret 256 random bits: a slow hash, which makes guessing dear where people choose
passwords, would add nothing (NIST SP 800-63B, 5.1.2: look-up secrets of 112 bits or more need no more than a hash).
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from lambda_arch.clock import DAY, parse_rfc3339, rfc3339
from serving.access.scopes import Scope

PREFIX = "la"
SCHEMA = 1


class KeysError(ValueError):
    """The file of keys, or a key in it, is not as wanted; the message names it and the remedy."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret; times in RFC 3339. `rate` (a second) and `burst`: its own, else the configured."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    digest: str
    created_at: str
    expires_at: str | None = None
    revoked_at: str | None = None
    rate: float | None = None
    burst: int | None = None

    def is_in_force(self, now: int) -> bool:
        """Whether it is neither revoked nor expired at a moment in microseconds."""
        return self.revoked_at is None and (self.expires_at is None or now < parse_rfc3339(self.expires_at))

    def opens(self, token: str) -> bool:
        """Whether the token is this key; takes as long whatever is wrong with it."""
        return hmac.compare_digest(self.digest, digest(token))


class _File(msgspec.Struct, frozen=True, kw_only=True):
    schema: int
    keys: tuple[Key, ...]


_file = msgspec.json.Decoder(_File)


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a new key is to be: its name, what it may, how often, and for how many days."""

    name: str
    scopes: tuple[Scope, ...]
    days: int | None = None
    rate: float | None = None
    burst: int | None = None


def digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def id_of(token: str) -> str | None:
    """The public part of a token, by which its key is found; None where it has not the form of one."""
    parts = token.split("_", 2)
    return parts[1] if len(parts) == 3 and parts[0] == PREFIX else None


def new_key(terms: Terms, now: int) -> tuple[Key, str]:
    """A key on these terms and its token, which is kept nowhere."""
    identity = secrets.token_hex(6)
    token = f"{PREFIX}_{identity}_{secrets.token_urlsafe(32)}"
    return Key(
        id=identity, name=terms.name, scopes=terms.scopes, digest=digest(token), created_at=rfc3339(now),
        expires_at=None if terms.days is None else rfc3339(now + terms.days * DAY), rate=terms.rate, burst=terms.burst,
    ), token  # fmt: skip


class KeysFile:
    """The file of keys: read whole, replaced whole, by one writer at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def version(self) -> tuple[int, int, int] | None:
        """Changes with every write; None where the file is not there."""
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return None
        return stat.st_ino, stat.st_mtime_ns, stat.st_size

    def read(self) -> tuple[Key, ...]:
        """The keys, revoked ones too; none where there is no file. Raises KeysError for what is no file of keys."""
        try:
            found = _file.decode(self.path.read_bytes())
        except FileNotFoundError:
            return ()
        except (OSError, msgspec.MsgspecError) as error:
            raise KeysError(f"keys in {self.path}: {error}; mend the file, or set serving.access.keys_file") from None
        if found.schema != SCHEMA:
            raise KeysError(f"keys in {self.path}: schema {found.schema}, this release reads {SCHEMA}: upgrade first")
        return found.keys

    def add(self, key: Key) -> None:
        """Add a key; raises KeysError like `read`."""
        self._change(lambda keys: (*keys, key))

    def revoke(self, identity: str, now: int) -> Key:
        """Revoke the key of an id; raises KeysError where there is none such. Twice is once."""
        revoked: list[Key] = []

        def without(keys: tuple[Key, ...]) -> tuple[Key, ...]:
            changed = tuple(_revoked(key, now) if key.id == identity else key for key in keys)
            revoked.extend(key for key in changed if key.id == identity)
            return changed

        self._change(without)
        if not revoked:
            raise KeysError(f"no key {identity} in {self.path}: `lambda-arch keys list` has their ids")
        return revoked[0]

    def _change(self, change: Callable[[tuple[Key, ...]], tuple[Key, ...]]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._alone():
            changed = msgspec.json.format(msgspec.json.encode(_File(schema=SCHEMA, keys=change(self.read()))))
            beside = self.path.with_suffix(".new")
            beside.touch(mode=0o600)
            beside.write_bytes(changed + b"\n")
            beside.replace(self.path)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _revoked(key: Key, now: int) -> Key:
    return msgspec.structs.replace(key, revoked_at=key.revoked_at or rfc3339(now))
