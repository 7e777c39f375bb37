"""After publication: registry and report from what the lake keeps, and a registry that is away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from mlflow.tracking import MlflowClient

from batch.intake import Source
from batch.judgement.evidence import Evidence
from batch.judgement.incumbent import before, in_service
from batch.measures.classification import Bin
from batch.pipeline import NightReport
from batch.reporting.aftermath import followed, recorded, reported, tell
from batch.selection import Trial
from batch.stored import NoGenerationError
from lambda_arch.clock import DAY, rfc3339
from lambda_arch.config import Config
from lambda_arch.fidelity import FidelityTable, Measure
from lambda_arch.keys import Generations
from lambda_arch.lake import Lake
from lambda_arch.model_bytes import encode_models
from lambda_arch.models import CurvePoint, Models
from lambda_arch.records import USE_CASES
from lambda_arch.schemas import TITLE
from lambda_arch.tables import GENERATIONS, TITLES

pytestmark = [
    pytest.mark.spark,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('registry')}/mlflow.db"


@pytest.fixture
def settings(config: Config, database: str, tmp_path: Path, request: pytest.FixtureRequest) -> Config:
    """Registry and reports of the test's own."""
    mlflow = {"tracking_uri": database, "artifacts": tmp_path / "artifacts", "name": request.node.name[5:40]}
    return config.model_copy(
        update={
            "mlflow": config.mlflow.model_copy(update=mlflow),
            "paths": config.paths.model_copy(update={"reports": tmp_path / "reports"}),
        }
    )


def publish(lake: Lake, models: Models) -> None:
    """A generation's row, as the night leaves it."""
    number = models.generation
    lags = {"0": Measure(-0.4, 0.01, 90), "20+": Measure(-0.5, 0.1, 9)}
    shown = Evidence("minus log-loss", -0.4, 90, calibration=(Bin(0.1, 0.05, 80), Bin(0.7, 0.8, 10)))
    trials = tuple(Trial("kmeans", {"k": k, "starts": 3}, {"silhouette": 0.1 * k}, 0.01, 1.0) for k in (3, 2))
    fidelity = FidelityTable(number, {name: {"batch": lags} for name in USE_CASES})
    report = NightReport(
        generation=number, horizon=rfc3339(models.horizon), published=True, users=141, titles=12,
        models={name: getattr(models, name).name for name in USE_CASES}, trials={"segment": trials}, reasons={},
        features={}, fidelity=fidelity,
        seconds={"train": 3.0}, settings={"churn": {"reg": 0.1, "costs": {"false_positive": 2.0}, "grid": {}}},
        evidence={"churn": shown}, data={"silver/events": Source(59_500, 7), "silver/titles": Source(40, 1)},
    )  # fmt: skip
    encoded = bytearray(encode_models(models))
    told, measured = (msgspec.json.encode(part).decode() for part in (report, fidelity))
    row = (number, report.horizon, "test", told, encoded, encoded, measured)
    lake.create(GENERATIONS)
    lake.append(lake.spark.createDataFrame([row], GENERATIONS.schema), GENERATIONS)


def next_night(models: Models) -> Models:
    """A generation in which churn alone was trained anew: the others keep the version of the one before."""
    churn = msgspec.structs.replace(models.churn, version=3, intercept=0.7)
    return msgspec.structs.replace(models, generation=3, horizon=models.horizon + DAY, churn=churn)


def champion(settings: Config, use_case: str, alias: str = "champion") -> str:
    """The generation whose model has the alias."""
    client = MlflowClient(settings.mlflow.tracking_uri, settings.mlflow.tracking_uri)
    return client.get_model_version_by_alias(f"{settings.mlflow.name}-{use_case}", alias).tags["generation"]


def test_registry_and_report_follow_the_nights(lake: Lake, settings: Config, small_models: Models) -> None:
    publish(lake, small_models)
    tell(lake, Generations(2, small_models.horizon), settings, 2)
    publish(lake, next_night(small_models))
    page = tell(lake, Generations(3, small_models.horizon + DAY, 2, small_models.horizon), settings, 3)
    assert page == settings.paths.reports / "3.html"
    told = json.loads(page.with_suffix(".json").read_text("utf-8"))
    assert (told["generation"], told["previous"], told["registry"].endswith(": 3")) == (3, 2, True)
    assert [champion(settings, name) for name in ("churn", "segment")] == ["3", "2"]
    assert champion(settings, "churn", "previous") == "2"


def test_the_registry_shows_all_that_the_night_kept(lake: Lake, settings: Config, small_models: Models) -> None:
    curve = [CurvePoint(cutoff, cutoff, 1 - cutoff, 2.0) for cutoff in (0.0, 0.5, 1.0)]
    churn = msgspec.structs.replace(small_models.churn, curve=curve)
    publish(lake, msgspec.structs.replace(small_models, churn=churn))
    recorded(lake, Generations(2, small_models.horizon), settings)
    runs = recorded_runs(settings)
    read = {
        "horizon": "2016-01-02T00:00:00.000000Z",
        "lake.silver/events": "version 7",
        "lake.silver/titles": "version 1",
    }
    assert runs["generation 2"].params == read
    assert runs["generation 2"].metrics["rows.silver/events"] == 59_500
    assert runs["churn"].params == {"model": "logistic", "reg": "0.1", "costs.false_positive": "2.0", **read}
    assert runs["churn"].metrics["fidelity.batch"] == -0.5
    assert runs["churn"].metrics["evidence.value"] == -0.4
    plots = {"recommend": set(), "segment": {"silhouette by k"}, "sentiment": set()}
    plots["churn"] = {"calibration", "cost", "precision-recall"}
    for use_case in USE_CASES:
        files = runs[use_case].files
        assert {path for path in files if path.startswith("plots/")} == {
            f"plots/{plot}.svg" for plot in plots[use_case] | {"fidelity"}
        }
        assert all(f'aria-label="{use_case}: '.encode() in files[path] for path in files if path.startswith("plots/"))
    assert json.loads(runs["churn"].files["evidence.json"])["calibration"][1] == {
        "predicted": 0.7, "happened": 0.8, "count": 10
    }  # fmt: skip
    assert {name: json.loads(runs[name].files["feature list.json"]) for name in USE_CASES} == {
        "recommend": ["a", "b", "c", "d"], "segment": ["titles"], "churn": ["number:tenure"],
        "sentiment": ["good", "bad"],
    }  # fmt: skip


class Recorded(NamedTuple):
    """A run as the registry gives it back."""

    params: dict[str, str]
    metrics: dict[str, float]
    files: dict[str, bytes]


def recorded_runs(settings: Config) -> dict[str, Recorded]:
    """The newest run of each name."""
    client = MlflowClient(settings.mlflow.tracking_uri)
    experiment = client.get_experiment_by_name(settings.mlflow.name)
    assert experiment is not None
    found = {}
    for run in reversed(client.search_runs([experiment.experiment_id])):
        folder = Path(client.download_artifacts(run.info.run_id, ""))
        files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        found[str(run.info.run_name)] = Recorded(run.data.params, run.data.metrics, files)
    return found


def test_a_rollback_takes_the_aliases_along(lake: Lake, settings: Config, small_models: Models) -> None:
    for models in (small_models, next_night(small_models)):
        publish(lake, models)
    assert recorded(lake, Generations(3, 2, 2, 1), settings).words.endswith(": 2, 3")
    assert followed(Generations(2, 1, 3, 2), settings).well
    assert (champion(settings, "churn"), champion(settings, "churn", "previous")) == ("2", "3")


def test_what_is_recorded_is_not_recorded_again(lake: Lake, settings: Config, small_models: Models) -> None:
    publish(lake, small_models)
    pointer = Generations(2, small_models.horizon)
    assert recorded(lake, pointer, settings).words.endswith(": 2")
    assert recorded(lake, pointer, settings).words.endswith(": nothing new")


def test_a_registry_that_is_away_fails_no_night_and_catches_up_the_next(
    lake: Lake, settings: Config, small_models: Models
) -> None:
    away = settings.model_copy(
        update={"mlflow": settings.mlflow.model_copy(update={"tracking_uri": "http://127.0.0.1:1"})}
    )
    publish(lake, small_models)
    page = tell(lake, Generations(2, small_models.horizon), away, 2)
    assert "not recorded: registry http://127.0.0.1:1" in page.read_text("utf-8")
    publish(lake, next_night(small_models))
    assert recorded(lake, Generations(3, 2, 2, 1), settings).words.endswith(": 2, 3")


def test_no_registry_is_asked_where_none_is_configured(lake: Lake, settings: Config, small_models: Models) -> None:
    publish(lake, small_models)
    none = settings.model_copy(update={"mlflow": settings.mlflow.model_copy(update={"tracking_uri": ""})})
    assert "Registry: none" in tell(lake, Generations(2), none, 2).read_text("utf-8")


def test_a_night_s_incumbent_is_what_readers_have_and_a_caught_up_night_s_what_came_before(
    lake: Lake, small_models: Models
) -> None:
    lake.create(GENERATIONS)
    first, second = small_models.horizon, small_models.horizon + DAY
    assert in_service(lake, Generations(), 2) is None
    for models in (small_models, next_night(small_models)):
        publish(lake, models)
    pointer = Generations(3, second, 2, first)
    found = [in_service(lake, pointer, number) for number in (4, 3)]
    found += [before(lake, horizon) for horizon in (second + 1, second, first)]
    assert [one and one.models.generation for one in found] == [3, 2, 3, 2, None]
    newest = found[0]
    assert newest is not None
    assert (newest.twins.generation, newest.fidelity.generation, newest.users) == (3, 3, 141)


def test_a_generation_that_the_lake_lacks(lake: Lake, settings: Config, small_models: Models) -> None:
    publish(lake, small_models)
    with pytest.raises(NoGenerationError, match="no generation 9 in the lake"):
        reported(lake, settings, 9, "")


def test_a_table_s_version_is_that_of_its_newest_commit(lake: Lake) -> None:
    lake.create(TITLES)
    assert lake.version(TITLES) == 0
    lake.insert_new(lake.spark.createDataFrame([("t", "T", 2000, [], [], None, None)], TITLE), TITLES, "title_id")
    assert lake.version(TITLES) == 1
