"""The features of a use case as configured, as names and as vectors of many profiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lambda_arch.profile_rows import profiles_of
from lambda_arch.schemas import ArrowFunction
from lambda_arch.vectors import pattern_part, vectorizer

Floats = NDArray[np.float64]


def feature_names(profiles: DataFrame, configured: Sequence[str]) -> list[str]:
    """The features that the configured names and patterns stand for in these profiles.

    `genre:*` is every genre; `is:NAME=*` every value of the attribute but the first, which the others are told from.
    """
    parts = {name: part for name in configured if (part := pattern_part(name))}
    attributes = sorted({part[len("is:") : -len("=*")] for part in parts.values() if part.startswith("is:")})
    found = {f"is:{name}=*": values[1:] for name, values in _attribute_values(profiles, attributes).items()}
    if "genre:*" in parts.values():
        found["genre:*"] = _genres(profiles)
    return [
        name.replace(parts[name], f"{parts[name][:-1]}{value}") if name in parts else name
        for name in configured
        for value in (found.get(parts[name], []) if name in parts else [""])
    ]


def with_vectors(profiles: DataFrame, features: Sequence[str], now: Column, *kept: str) -> DataFrame:
    """PROFILE -> the kept columns and `vector` array<double>, the features at `now`, by the function that scores."""
    asked = profiles.select("lifetime", "days", now.alias("now"), *kept)
    schema = "".join(f"`{field.name}` {field.dataType.simpleString()}, " for field in profiles.select(*kept).schema)
    return asked.mapInArrow(_vectors(features, kept), f"{schema}vector array<double>")


def matrix(column: pa.ChunkedArray, width: int) -> Floats:
    """Vectors of one length as float64 [rows, width]."""
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, dtype=np.float64).reshape(len(column), width)


def _vectors(features: Sequence[str], kept: Sequence[str]) -> ArrowFunction:
    def vectors(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        vector = vectorizer(features)
        for batch in batches:
            moments = batch.column("now").to_pylist()
            found = [vector(profile, now) for profile, now in zip(profiles_of(batch), moments, strict=True)]
            columns = {name: batch.column(name) for name in kept}
            yield pa.RecordBatch.from_pydict({**columns, "vector": pa.array(found, pa.list_(pa.float64()))})

    return vectors


def _attribute_values(profiles: DataFrame, names: Sequence[str]) -> dict[str, list[str]]:
    if not names:
        return {}
    attributes = profiles.select(F.explode("lifetime.account.attributes").alias("name", "value"))
    found = attributes.where(F.col("name").isin(*names)).distinct().orderBy("name", "value").collect()
    values: dict[str, list[str]] = {}
    for row in found:
        values.setdefault(row.name, []).append(row.value)
    return values


def _genres(profiles: DataFrame) -> list[str]:
    genres = profiles.select(F.explode(F.map_keys("lifetime.genres")).alias("genre")).distinct()
    return [row.genre for row in genres.orderBy("genre").collect()]
