"""The generation in service, read for a night: whole, or of another release."""

from __future__ import annotations

import msgspec
import pytest

from batch.judgement.incumbent import in_service
from lambda_arch.clock import rfc3339
from lambda_arch.fidelity import FidelityTable
from lambda_arch.keys import Generations
from lambda_arch.lake import Lake
from lambda_arch.model_bytes import encode_models
from lambda_arch.models import Models
from lambda_arch.tables import GENERATIONS

pytestmark = pytest.mark.spark


@pytest.mark.parametrize(
    ("models", "twins", "fidelity", "fault"),
    [
        pytest.param(3, 3, 1, "", id="of this release"),
        pytest.param(2, 2, 1, "models of schema 2, this release reads 3", id="older models"),
        pytest.param(4, 4, 1, "models of schema 4, this release reads 3", id="newer models"),
        pytest.param(3, 2, 1, "models of schema 2, this release reads 3", id="older twins"),
        pytest.param(3, None, 1, "it does not have the models that its backtest", id="before there were twins"),
        pytest.param(3, 3, 9, "fidelity of schema 9, this release reads 1", id="newer fidelity"),
    ],
)
def test_a_generation_of_another_release_has_no_models_and_still_counts_its_users(
    lake: Lake, small_models: Models, models: int, twins: int | None, fidelity: int, fault: str
) -> None:
    def encoded(schema: int) -> bytearray:
        return bytearray(encode_models(msgspec.structs.replace(small_models, schema=schema)))

    table = msgspec.json.encode(FidelityTable(2, {}, schema=fidelity)).decode()
    row = (2, rfc3339(small_models.horizon), "test", '{"users": 141}', encoded(models), twins and encoded(twins), table)
    lake.create(GENERATIONS)
    lake.append(lake.spark.createDataFrame([row], GENERATIONS.schema), GENERATIONS)
    found = in_service(lake, Generations(current=2, current_horizon=small_models.horizon), 3)
    assert found is not None
    assert found.users == 141
    assert (found.fault == "", fault in found.fault) == (not fault, True)
    assert len(found.models.in_service()) == len(found.twins.in_service()) == (0 if fault else 4)
