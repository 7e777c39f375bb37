"""The registry (MLflow): what each night did, and which models serve. The only importer of mlflow.

A generation is a run with a nested run per use case; a model is an ONNX file, registered under the configured name and
the use case, its aliases `champion` and `previous` following the store's pointer. A server or SQLite, by configuration.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx

from lambda_arch.config import Mlflow
from lambda_arch.records import USE_CASES, UseCase

# Read when mlflow is imported or asks: nothing is told to anybody, and a server that is away does not hold a night up.
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}  # fmt: skip
for _name, _value in _QUIET.items():
    os.environ.setdefault(_name, _value)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its own type hints and of old names that it uses
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.exceptions import MlflowException
    from mlflow.models import ModelSignature
    from mlflow.onnx import save_model
    from mlflow.tracking import MlflowClient
    from mlflow.types import ColSpec, Schema, TensorSpec
    from sqlalchemy.exc import SQLAlchemyError

    importlib.import_module("mlflow.pyfunc")  # save_model would do it, and no less loudly

logging.getLogger("mlflow").setLevel(logging.WARNING)
logging.getLogger("alembic").setLevel(logging.WARNING)

CHAMPION, PREVIOUS = "champion", "previous"
REQUIREMENTS = [f"onnx=={onnx.__version__}", "onnxruntime", "numpy"]
PARENT_TAG = "mlflow.parentRunId"


class RegistryError(RuntimeError):
    """The registry is away or refuses; what was published stays so."""


@dataclass(frozen=True)
class Page:
    """What a run shows: parameters, metrics (value and step), tags, and files by path."""

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[tuple[str, float, int], ...] = ()
    tags: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """A generation: its content's digest, its page, a page per use case, and the models trained that night (ONNX).

    `trained_in`: the generation in which each model in service was trained.
    """

    generation: int
    digest: str
    time: int
    page: Page
    use_cases: Mapping[UseCase, Page]
    models: Mapping[UseCase, bytes]
    trained_in: Mapping[UseCase, int]


class Registry:
    """A connection; every method raises RegistryError naming the registry and the remedy."""

    def __init__(self, settings: Mlflow) -> None:
        self._settings = settings
        with self._named():
            database = settings.tracking_uri.removeprefix("sqlite:///")
            if database != settings.tracking_uri:
                Path(database).parent.mkdir(parents=True, exist_ok=True)
            self._client = MlflowClient(settings.tracking_uri, settings.tracking_uri)
            self._experiment = self._created()

    def digests(self) -> dict[int, str]:
        """The content's digest of every generation that is recorded whole."""
        return {int(run.data.tags["generation"]): run.data.tags["digest"] for run in reversed(self._nights())}

    def record(self, entry: Entry) -> None:
        """Make the generation's runs and register the models that were trained in it."""
        with self._named():
            parent = self._run(entry.page, entry.time, {})
            for use_case, page in entry.use_cases.items():
                run = self._run(page, entry.time, {PARENT_TAG: parent})
                if use_case in entry.models:
                    self._register(use_case, run, entry)
                self._client.set_terminated(run)
            # Last of all: a generation without these is not whole and is recorded again.
            tags = {"generation": entry.generation, "digest": entry.digest, "trained_in": json.dumps(entry.trained_in)}
            for name, value in tags.items():
                self._client.set_tag(parent, name, value)
            self._client.set_terminated(parent)

    def point(self, current: int, previous: int) -> None:
        """Let the aliases follow the store's pointer; 0 is no generation."""
        with self._named():
            nights = [run.data.tags for run in reversed(self._nights())]
            trained = {int(tags["generation"]): tags["trained_in"] for tags in nights}
            for use_case in USE_CASES:
                for alias, generation in ((CHAMPION, current), (PREVIOUS, previous)):
                    self._alias(use_case, alias, json.loads(trained.get(generation, "{}")).get(use_case))

    def name(self, use_case: UseCase) -> str:
        """The name under which a use case's models are registered."""
        return f"{self._settings.name}-{use_case}"

    def _created(self) -> str:
        found = self._client.get_experiment_by_name(self._settings.name)
        if found is not None:
            return str(found.experiment_id)
        of_server = not self._settings.tracking_uri.startswith("sqlite:")
        place = None if of_server else self._settings.artifacts.resolve().as_uri()
        return str(self._client.create_experiment(self._settings.name, artifact_location=place))

    def _nights(self) -> list[Any]:
        """Runs of generations recorded whole, newest first."""
        whole = "tags.digest != ''"
        return list(self._client.search_runs([self._experiment], whole, order_by=["attributes.end_time DESC"]))

    def _run(self, page: Page, time: int, tags: Mapping[str, str]) -> str:
        run = self._client.create_run(self._experiment, run_name=page.name, tags=dict(tags))
        identity = str(run.info.run_id)
        self._client.log_batch(
            identity,
            metrics=[Metric(name, value, time // 1000, step) for name, value, step in page.metrics],
            params=[Param(name, str(value)) for name, value in page.params.items()],
            tags=[RunTag(name, str(value)) for name, value in page.tags.items()],
        )
        with tempfile.TemporaryDirectory() as folder:
            for name, content in page.files.items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            self._client.log_artifacts(identity, folder)
        return identity

    def _register(self, use_case: UseCase, run: str, entry: Entry) -> None:
        graph, name = onnx.load_from_string(entry.models[use_case]), self.name(use_case)
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "model"
            save_model(
                graph, str(target), signature=_signature(graph), pip_requirements=REQUIREMENTS,
                save_as_external_data=False,
            )  # fmt: skip
            self._client.log_artifacts(run, str(target), "model")
        if not self._client.search_registered_models(f"name = '{name}'"):
            self._client.create_registered_model(name)
        source = f"{self._client.get_run(run).info.artifact_uri}/model"
        self._client.create_model_version(name, source, run, tags={"generation": str(entry.generation)})

    def _alias(self, use_case: UseCase, alias: str, trained_in: int | None) -> None:
        name = self.name(use_case)
        if not self._client.search_registered_models(f"name = '{name}'"):
            return
        versions = self._client.search_model_versions(f"name = '{name}'")
        wanted = [int(version.version) for version in versions if version.tags["generation"] == str(trained_in)]
        if wanted:
            self._client.set_registered_model_alias(name, alias, str(max(wanted)))
        else:
            self._client.delete_registered_model_alias(name, alias)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except (MlflowException, SQLAlchemyError, OSError) as error:
            reason = str(error).strip().splitlines()[0]
            raise RegistryError(
                f"registry {self._settings.tracking_uri}: {reason}; repeat with `lambda-arch registry sync`"
            ) from None


def _signature(graph: onnx.ModelProto) -> ModelSignature:
    """Columns where the graph's metadata names features, else its inputs as tensors."""
    told = {entry.key: entry.value for entry in graph.metadata_props}
    inputs = Schema([_tensor(value) for value in graph.graph.input])
    if "features" in told:
        inputs = Schema([ColSpec("double", name) for name in json.loads(told["features"])])
    return ModelSignature(inputs, Schema([_tensor(value) for value in graph.graph.output]))


def _tensor(value: onnx.ValueInfoProto) -> TensorSpec:
    kind = value.type.tensor_type
    shape = tuple(dim.dim_value or -1 for dim in kind.shape.dim)
    return TensorSpec(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type), shape, value.name)
