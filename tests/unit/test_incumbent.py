"""What stays in service where a model is refused, and by which figures it is then told."""

from __future__ import annotations

import msgspec
import pytest

from batch.judgement.gate import Check, RefusedError, Verdict
from batch.judgement.incumbent import Candidate, admitted
from lambda_arch.fidelity import FidelityTable, Measure
from lambda_arch.models import Models
from lambda_arch.records import USE_CASES

REFUSED, ACCEPTED = Verdict(False, (Check("cases", False, "too few"),)), Verdict(True, ())


def table(generation: int, **values: float) -> FidelityTable:
    """Equal layers at lag 0, by use case."""
    found = {name: Measure(value, 0.01, 100) for name, value in values.items()}
    measures = {name: {"batch": {"0": one}, "speed": {"0": one}} for name, one in found.items()}
    return FidelityTable(generation, measures, {name: {"0": one} for name, one in found.items()})


def candidate(models: Models, generation: int, fidelity: FidelityTable) -> Candidate:
    numbered = {name: msgspec.structs.replace(getattr(models, name), version=generation) for name in USE_CASES}
    made = msgspec.structs.replace(models, generation=generation, **numbered)
    return Candidate(made, made, fidelity)


@pytest.mark.parametrize(
    ("newest", "told"),
    [
        (table(3, recommend=0.5, churn=-0.6), -0.6),
        (table(3, recommend=0.5), -0.4),
        (None, -0.4),
    ],
    ids=["measured on tonight's cases", "not asked tonight: as its own night measured it", "nobody was asked tonight"],
)  # fmt: skip
def test_a_refused_use_case_keeps_the_incumbent_with_its_newest_fidelity(
    small_models: Models, newest: FidelityTable | None, told: float
) -> None:
    challenger = candidate(small_models, 3, table(3, recommend=0.7, churn=-0.9))
    incumbent = candidate(small_models, 2, table(2, recommend=0.6, churn=-0.4))
    verdicts = {"recommend": ACCEPTED, "churn": REFUSED}
    made = admitted(challenger, verdicts, incumbent, newest)
    assert made.fidelity == table(3, churn=told, recommend=0.7)
    assert [made.models.recommend.version, made.models.churn.version] == [3, 2]
    assert [made.twins.recommend.version, made.twins.churn.version] == [3, 2]


def test_without_an_incumbent_a_refused_use_case_is_not_in_service(small_models: Models) -> None:
    challenger = candidate(small_models, 1, table(1, recommend=0.7, churn=-0.9))
    made = admitted(challenger, {"recommend": ACCEPTED, "churn": REFUSED}, None, None)
    assert (made.models.churn, made.fidelity) == (None, table(1, recommend=0.7))
    with pytest.raises(RefusedError, match=r"generation 1 refused, no use case would be in service: .*churn: too few"):
        admitted(challenger, dict.fromkeys(USE_CASES, REFUSED), None, None)
