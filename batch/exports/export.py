"""A model as a file that leaves: ONNX, PMML, or its arrays as they are."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from batch.exports import onnx_graphs, pmml
from lambda_arch.clock import rfc3339
from lambda_arch.models import Models
from lambda_arch.records import UseCase

ONNX: dict[UseCase, Callable[[Any], Any]] = {
    "recommend": onnx_graphs.recommend_graph,
    "segment": onnx_graphs.segment_graph,
    "churn": onnx_graphs.churn_graph,
    "sentiment": onnx_graphs.sentiment_graph,
}
# Nobody's PMML engine solves a user's equations: `recommend` has none.
PMML: dict[UseCase, Callable[[Any], Any]] = {
    "segment": pmml.segment_pmml,
    "churn": pmml.churn_pmml,
    "sentiment": pmml.sentiment_pmml,
}
FORMATS = ("onnx", "pmml", "npz")


class ExportError(ValueError):
    """A model cannot leave in that format; the message says which it can."""


def exported(models: Models, use_case: UseCase, form: str) -> bytes:
    """The use case's model in a format; raises ExportError where there is no model or no such format for it."""
    model = getattr(models, use_case)
    if model is None:
        raise ExportError(
            f"generation {models.generation} has no model for {use_case}: its data was missing that night"
        )
    writer = _writers(use_case).get(form)
    if writer is None:
        raise ExportError(f"{use_case} cannot be written as {form}: want one of {', '.join(_writers(use_case))}")
    told = {
        "use_case": use_case, "model": model.name, "model_version": str(model.version),
        "generation": str(models.generation), "horizon": rfc3339(models.horizon),
    }  # fmt: skip
    return writer(model, told)


def _writers(use_case: UseCase) -> dict[str, Callable[[Any, dict[str, str]], bytes]]:
    writers = {"onnx": lambda model, told: onnx_graphs.described(ONNX[use_case](model), told)}
    if use_case in PMML:
        writers["pmml"] = lambda model, told: pmml.described(PMML[use_case](model), told)
    return {**writers, "npz": _npz}


def _npz(model: Any, told: dict[str, str]) -> bytes:
    """The model's arrays by field name; `model.json` (text) has everything else."""
    fields = {name: getattr(model, name) for name in model.__struct_fields__}
    arrays = {name: value for name, value in fields.items() if isinstance(value, np.ndarray)}
    rest = {name: msgspec.to_builtins(value) for name, value in fields.items() if name not in arrays}
    out = io.BytesIO()
    # allow_pickle is said by name, for the type of the arrays by name would take its place.
    text = np.array(json.dumps({**told, **rest}, ensure_ascii=False))
    np.savez_compressed(out, allow_pickle=False, **arrays, **{"model.json": text})
    return out.getvalue()
