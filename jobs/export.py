"""Write a generation's model to a file that other programs read."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from lambda_arch.config import Config, load_config


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
    from batch.exports.export import exported
    from deploy.servers import in_use
    from lambda_arch.store import Store

    config = in_use(load_config())
    store = Store(config.store.url, config.store.ttl_days)
    store.ping()
    number = store.generations().current if generation is None else generation
    models = store.models(number) or _of_lake(config, number)
    content = exported(models, use_case.value, form.value)
    path = out or Path(f"{use_case.value}-{number}.{form.value}")
    path.write_bytes(content)
    typer.echo(f"{path}: {len(content):,} bytes")


def _of_lake(config: Config, number: int) -> Any:
    """Models that the store has no longer; raises NoGenerationError where the lake has no such generation."""
    from batch.stored import stored
    from jobs.report import opened_lake

    with opened_lake(config) as lake:
        return stored(lake, number).models()
