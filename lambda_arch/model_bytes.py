"""A generation's models as they are stored: msgpack, arrays by type, shape and bytes."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from lambda_arch.models import SCHEMA, Array, Models
from lambda_arch.records import UnknownSchemaError


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
