"""Write a generation's model to a file that other programs read."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lambda_arch.config import Config
from lambda_arch.models import Models
from lambda_arch.store import StoreError


class Question(StrEnum):
    """The use cases."""

    RECOMMEND = "recommend"
    SEGMENT = "segment"
    CHURN = "churn"
    SENTIMENT = "sentiment"


class Format(StrEnum):
    """The formats; not every model can be said in every one."""

    ONNX = "onnx"
    PMML = "pmml"
    NPZ = "npz"


def export(
    use_case: Annotated[Question, typer.Argument(help="Whose model.")],
    form: Annotated[Format, typer.Option("--format", help="ONNX graph, PMML 4.4, or numpy's arrays.")],
    generation: Annotated[int | None, typer.Option(help="The generation; the current one if left out.")] = None,
    out: Annotated[Path | None, typer.Option(help="The file; USE_CASE-GENERATION.FORMAT if left out.")] = None,
) -> None:
    """Write a model to a file; its metadata names the inputs."""
    from batch.export import exported
    from deploy.servers import in_use
    from lambda_arch.config import load_config

    models = _models(in_use(load_config()), generation)
    content = exported(models, use_case.value, form.value)
    path = out or Path(f"{use_case.value}-{models.generation}.{form.value}")
    path.write_bytes(content)
    typer.echo(f"{path}: {len(content):,} bytes")


def _models(config: Config, generation: int | None) -> Models:
    """Of the store, which has the current and the previous generation."""
    from lambda_arch.store import Store

    store = Store(config.store.url, config.store.ttl_days)
    store.ping()
    number = store.generations().current if generation is None else generation
    found = store.models(number) if number else None
    if found is None:
        raise StoreError(f"no generation {number} in the store")
    return found
