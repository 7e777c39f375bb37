"""A generation's models as they are stored: msgpack, arrays by type, shape and bytes."""

from __future__ import annotations

import time
from typing import Any, get_type_hints

import msgspec
import numpy as np

from lambda_arch.models import SCHEMA, Models, Title
from lambda_arch.recommend_model import Array
from lambda_arch.records import UnknownSchemaError

PIECE = 500  # titles


class _Versioned(msgspec.Struct):
    schema: int = SCHEMA  # read by itself first: models of another release need not have this release's fields


def encode_models(models: Models) -> bytes:
    """The models as msgpack."""
    return msgspec.msgpack.encode(models, enc_hook=_from_array)


def decode_models(stored: bytes) -> Models:
    """The models of stored msgpack; raises UnknownSchemaError for a schema of another release."""
    schema = _version.decode(stored).schema
    if schema != SCHEMA:
        raise UnknownSchemaError(
            f"models of schema {schema}, this release reads {SCHEMA}: upgrade, or run a night anew"
        )
    return _decoder.decode(stored)


def decode_in_pieces(stored: bytes) -> Models:
    """The same, for a thread beside an event loop: never long without letting it go on.

    A decoder keeps Python's only lock until it has the whole value: of all models at once that is a pause in answers.
    """
    schema = _version.decode(stored).schema
    if schema != SCHEMA:
        return decode_models(stored)
    found: dict[str, Any] = {}
    for name, part in _parts.decode(stored).items():
        if name == "catalogue":
            found[name] = _catalogue(_parts.decode(part))
        elif name in _fields:
            found[name] = _fields[name].decode(part)
        time.sleep(0)
    return Models(**found)


def _catalogue(entries: dict[str, msgspec.Raw]) -> dict[str, Title]:
    titles: dict[str, Title] = {}
    for number, (name, entry) in enumerate(entries.items()):
        titles[name] = _title.decode(entry)
        if number % PIECE == 0:
            time.sleep(0)
    return titles


def _from_array(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        raise TypeError(f"cannot store a {type(value).__name__}")
    return (value.dtype.str, value.shape, value.tobytes())


def _to_array(kind: type, value: Any) -> Array:
    dtype, shape, data = value
    return np.frombuffer(data, dtype=dtype).reshape(shape)


# Made once, here: msgspec 0.22 crashes where two threads are the first to ask for the same type.
_version = msgspec.msgpack.Decoder(_Versioned)
_decoder = msgspec.msgpack.Decoder(Models, dec_hook=_to_array)
_parts = msgspec.msgpack.Decoder(dict[str, msgspec.Raw])
_fields = {
    name: msgspec.msgpack.Decoder(kind, dec_hook=_to_array)
    for name, kind in get_type_hints(Models).items()
    if name in Models.__struct_fields__
}
_title = msgspec.msgpack.Decoder(Title)
