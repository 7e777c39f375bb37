"""Exposures and outcomes -> what an experiment shows so far, arm by arm, and how often what was served was watched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from batch.measures.bootstrap import clustered, standard_errors
from batch.measures.outcomes import Exposure, Outcome
from batch.measures.sequential import Tally, compared
from lambda_arch.experiments import Experiment
from lambda_arch.scoring import wilson

RESAMPLES, SEED = 1000, 1


class Served(NamedTuple):
    """An exposure with who answered and the arms of experiments; `use_case` was asked about."""

    exposure: Exposure
    use_case: str
    layer: str
    arms: Mapping[str, str]


def report(experiment: Experiment, served: Sequence[Served], outcomes: Mapping[int, Outcome]) -> dict[str, Any]:
    """Users of each arm by their first exposure whose hours have passed, the share with the outcome, and comparisons.

    Each user counts once, by the first: so users are independent, and what was counted once stays as it was counted.
    """
    first: dict[tuple[str, str], bool] = {}
    for one in sorted(served, key=lambda one: one.exposure.at):
        arm, outcome = one.arms.get(experiment.name), outcomes.get(one.exposure.id)
        if arm and arm in experiment.arms and outcome and one.use_case == experiment.use_case:
            first.setdefault((arm, one.exposure.user_id), _counted(experiment, outcome))
    arms = {arm: _tally([did for (of, _), did in first.items() if of == arm]) for arm in experiment.arms}
    control, *others = experiment.arms
    return {
        "experiment": experiment.name,
        "use_case": experiment.use_case,
        "outcome": "cancelled" if experiment.use_case == "churn" else "watched what was shown",
        "arms": {arm: _told(tally) for arm, tally in arms.items()},
        "against": control,
        "comparisons": {arm: asdict(compared(arms[control], arms[arm])) for arm in others},
    }


def hit_rates(served: Sequence[Served], outcomes: Mapping[int, Outcome]) -> dict[str, dict[str, float | int]]:
    """By layer, the share of lists of which something was watched, with its error by the bootstrap over users."""
    found: dict[str, dict[str, float | int]] = {}
    known = [one for one in served if one.use_case == "recommend" and one.exposure.id in outcomes]
    for layer in sorted({one.layer for one in known}):
        of_layer = [one for one in known if one.layer == layer]
        hits = np.array([[outcomes[one.exposure.id].watched] for one in of_layer], dtype=np.float64)
        users = np.unique([one.exposure.user_id for one in of_layer], return_inverse=True)[1].astype(np.int64)
        grouped = clustered(users, hits, np.ones_like(hits, dtype=bool))
        error = standard_errors(grouped.resampled(RESAMPLES, SEED), grouped.entities())[0]
        found[layer] = {
            "hit_rate": round(float(hits.mean()), 6), "standard_error": round(float(error), 6), "lists": len(hits),
            "users": int(users.max()) + 1,
        }  # fmt: skip
    return found


def _counted(experiment: Experiment, outcome: Outcome) -> bool:
    return outcome.cancelled if experiment.use_case == "churn" else outcome.watched


def _tally(outcomes: Sequence[bool]) -> Tally:
    return Tally(len(outcomes), sum(outcomes))


def _told(tally: Tally) -> dict[str, float | int]:
    low, high = wilson(tally.outcomes, tally.users)
    return {"users": tally.users, "outcomes": tally.outcomes, "share": tally.share, "low": low, "high": high}
