"""The registry in SQLite: runs, models that answer as the service does, aliases that follow the pointer."""

from __future__ import annotations

from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.entities import Run
from mlflow.models import Model
from mlflow.tracking import MlflowClient
from pandas import DataFrame

from batch.exports.export import exported
from lambda_arch.config import Mlflow, load_config
from lambda_arch.models import Models
from lambda_arch.records import USE_CASES
from lambda_arch.registry import Entry, Page, Registry, RegistryError
from lambda_arch.scoring import fold_in, sigmoid
from lambda_arch.tiles import MILLION, Seen

# mlflow and what it stands on, not ours: old names, database connections left to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
TIME = 1_451_692_800_000_000


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Mlflow:
    """Settings of a registry of the module's own: the first one in a database makes its tables, which takes seconds."""
    folder = tmp_path_factory.mktemp("registry")
    settings = load_config({}).mlflow
    return settings.model_copy(
        update={"tracking_uri": f"sqlite:///{folder}/mlflow.db", "artifacts": folder / "artifacts"}
    )


@pytest.fixture
def settings(database: Mlflow, request: pytest.FixtureRequest) -> Mlflow:
    """An experiment and models of the test's own."""
    return database.model_copy(update={"name": request.node.name[5:40]})


def entry(models: Models, generation: int, *trained: str) -> Entry:
    metrics = (("fidelity.batch", 0.5, 0), ("fidelity.batch", 0.4, 20))
    pages = {name: Page(name, {"rank": 8}, metrics) for name in USE_CASES}
    files = {name: exported(models, name, "onnx") for name in trained}
    trained_in = {name: generation if name in trained else generation - 1 for name in USE_CASES}
    page = Page(f"generation {generation}", files={"report/report.json": b"{}"})
    return Entry(generation, f"digest-{generation}", TIME, page, pages, files, trained_in)


def runs(settings: Mlflow) -> list[Run]:
    client = MlflowClient(settings.tracking_uri)
    return list(client.search_runs([client.get_experiment_by_name(settings.name).experiment_id]))


def champions(settings: Mlflow, alias: str) -> dict[str, str]:
    """The generation behind an alias, per use case that has one."""
    client = MlflowClient(settings.tracking_uri, settings.tracking_uri)
    found = {}
    for use_case in USE_CASES:
        model = client.get_registered_model(f"{settings.name}-{use_case}")
        if alias in model.aliases:
            version = client.get_model_version(model.name, str(model.aliases[alias]))
            found[use_case] = version.tags["generation"]
    return found


def test_a_generation_is_a_run_with_one_nested_per_use_case(settings: Mlflow, small_models: Models) -> None:
    Registry(settings).record(entry(small_models, 2, *USE_CASES))
    found = {run.info.run_name: run for run in runs(settings)}
    assert set(found) == {"generation 2", *USE_CASES}
    parent = found["generation 2"]
    assert {found[name].data.tags["mlflow.parentRunId"] for name in USE_CASES} == {parent.info.run_id}
    assert found["churn"].data.params == {"rank": "8"}
    client = MlflowClient(settings.tracking_uri)
    history = client.get_metric_history(found["churn"].info.run_id, "fidelity.batch")
    assert [(metric.step, metric.value) for metric in history] == [(0, 0.5), (20, 0.4)]
    assert [file.path for file in client.list_artifacts(parent.info.run_id, "report")] == ["report/report.json"]
    assert {run.info.status for run in found.values()} == {"FINISHED"}


def test_the_champion_answers_as_the_service_does(
    settings: Mlflow, small_models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(settings)
    registry.record(entry(small_models, 2, *USE_CASES))
    registry.point(2, 0)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", settings.tracking_uri)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", settings.tracking_uri)
    churn = mlflow.pyfunc.load_model(f"models:/{settings.name}-churn@champion")
    told = churn.predict(DataFrame({"other": [1.0, 2.0], "number:tenure": [0.0, 30.0]}))
    assert np.ravel(told["probability"]) == pytest.approx([sigmoid(0.5), sigmoid(-2.5)])
    recommend = mlflow.pyfunc.load_model(f"models:/{settings.name}-recommend@champion")
    told = recommend.predict({"rows": np.array([2, 0]), "strengths": np.array([1.0, 0.5])})
    model = small_models.recommend
    user = fold_in(model, [Seen(0, 0, "c", MILLION), Seen(0, 0, "a", MILLION // 2)])
    assert told["scores"] == pytest.approx(model.factors @ user, abs=1e-6)


def test_a_model_s_signature_names_what_goes_in_and_what_comes_out(settings: Mlflow, small_models: Models) -> None:
    registry = Registry(settings)
    registry.record(entry(small_models, 2, *USE_CASES))
    client = MlflowClient(settings.tracking_uri, settings.tracking_uri)
    found = {}
    for use_case in USE_CASES:
        folder = client.download_artifacts(client.get_model_version(registry.name(use_case), "1").run_id, "model")
        signature = Model.load(folder).signature
        found[use_case] = (signature.inputs.input_names(), signature.outputs.input_names())
    assert found == {
        "recommend": (["rows", "strengths"], ["scores", "user"]),
        "segment": (["titles"], ["segment", "distance"]),
        "churn": (["number:tenure"], ["probability"]),
        "sentiment": (["tokens"], ["probability"]),
    }


def test_the_aliases_follow_the_pointer_there_and_back(settings: Mlflow, small_models: Models) -> None:
    registry = Registry(settings)
    registry.record(entry(small_models, 2, *USE_CASES))
    registry.point(2, 0)
    assert champions(settings, "champion") == dict.fromkeys(USE_CASES, "2")
    assert champions(settings, "previous") == {}
    registry.record(entry(small_models, 3, "churn", "recommend"))
    registry.point(3, 2)
    kept = {"segment": "2", "sentiment": "2"}
    assert champions(settings, "champion") == {"churn": "3", "recommend": "3", **kept}
    assert champions(settings, "previous") == dict.fromkeys(USE_CASES, "2")
    registry.point(2, 3)
    assert champions(settings, "champion") == dict.fromkeys(USE_CASES, "2")
    assert champions(settings, "previous") == {"churn": "3", "recommend": "3", **kept}


def test_what_was_not_recorded_whole_does_not_count_as_recorded(
    settings: Mlflow, small_models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(settings)
    with monkeypatch.context() as broken:
        broken.setattr(MlflowClient, "create_model_version", full)
        with pytest.raises(RegistryError, match="No space left on device"):
            registry.record(entry(small_models, 2, "churn"))
    assert registry.digests() == {}
    registry.record(entry(small_models, 2, "churn"))
    assert registry.digests() == {2: "digest-2"}


def full(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "sqlite:////proc/nowhere/mlflow.db", "nonsense://x"])
def test_a_registry_that_is_away_is_one_line_with_the_remedy(address: str, settings: Mlflow, tmp_path: Path) -> None:
    away = settings.model_copy(update={"tracking_uri": address, "artifacts": tmp_path})
    with pytest.raises(RegistryError, match=r"^registry .*; repeat with `lambda-arch registry sync`$"):
        Registry(away).digests()
