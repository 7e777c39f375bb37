"""What the gate judges a use case by: the challenger beside its baselines and the incumbent, on the same cases."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from batch.judgement.cases import INCUMBENT, POST
from batch.judgement.lags import Bootstrap, of_a_layer
from batch.judgement.panel import Panel
from batch.measures.bootstrap import clustered, interval
from batch.measures.classification import Bin, calibration_error, calls, macro_f1, ranking, reliability
from lambda_arch.fidelity import METRICS
from lambda_arch.models import Models
from lambda_arch.records import UseCase

POSTS_RIGHT = "share of labelled posts told right"


class Rival(msgspec.Struct, frozen=True):
    """Somebody else's answers to the challenger's cases.

    `gain` is the challenger's value less the rival's; `low` and `high` its 95 % interval by paired bootstrap.
    """

    name: str
    value: float
    gain: float
    low: float
    high: float


class Evidence(msgspec.Struct, frozen=True):
    """A use case's challenger: its value by the use case's metric (higher is better) and the number of cases.

    `measures` are further figures, for criteria of the configuration; `calibration` is of probabilities, where there
    are any.
    """

    metric: str
    value: float
    cases: int
    baselines: tuple[Rival, ...] = ()
    incumbent: Rival | None = None
    measures: dict[str, float] = {}
    calibration: tuple[Bin, ...] = ()


def evidence_of(use_case: UseCase, panel: Panel, twins: Models, bootstrap: Bootstrap) -> Evidence | None:
    """What a use case's panel says of tonight's models where batch and speed know the same; None without such a case.

    Of sentiment the posts are judged that people labelled: its shares at lag 0 say nothing about single posts.
    """
    asked = panel.where(panel.bucket == (POST if use_case == "sentiment" else "0"))
    if not len(asked.entity):
        return None
    rivals = [name for name in asked.answers if not of_a_layer(name) or name == f"{INCUMBENT}batch"]
    against = {name: _rival(asked, name, bootstrap) for name in rivals}
    incumbent = against.pop(f"{INCUMBENT}batch", None)
    return Evidence(
        metric=POSTS_RIGHT if use_case == "sentiment" else METRICS[use_case],
        value=_rounded(asked.answers["batch"].mean()),
        cases=len(asked.entity),
        baselines=tuple(against.values()),
        incumbent=incumbent,
        measures={name: _rounded(value) for name, value in _MEASURES[use_case](asked, twins).items()},
        calibration=_bins(asked),
    )


def _rival(panel: Panel, name: str, bootstrap: Bootstrap) -> Rival:
    theirs = panel.answers[name]
    gains = (panel.answers["batch"] - theirs)[:, None]
    drawn = clustered(panel.entity, gains, np.ones(gains.shape, dtype=np.bool_))
    low, high = interval(drawn.resampled(bootstrap.resamples, bootstrap.seed))[:, 0]
    called = "incumbent" if name.startswith(INCUMBENT) else name
    return Rival(called, *map(_rounded, (theirs.mean(), gains.mean(), low, high)))


def _bins(panel: Panel) -> tuple[Bin, ...]:
    """Of the probabilities among the facts; none without them."""
    told = panel.facts.get("probability")
    return () if told is None else reliability(told, panel.facts["happened"])


def _of_recommend(panel: Panel, twins: Models) -> dict[str, float]:
    """Recall, and the share of the titles known to the model that anybody was recommended."""
    known = len(twins.recommend.titles) if twins.recommend else 1
    listed = {title for titles in panel.listed for title in titles}
    return {"recall@10": panel.facts["recall"].mean(), "coverage@10": len(listed) / known}


def _of_churn(panel: Panel, twins: Models) -> dict[str, float]:
    told, happened = panel.facts["probability"], panel.facts["happened"]
    at_cutoff = calls(told, happened, twins.churn.cutoff) if twins.churn else {}
    return {**ranking(told, happened), "calibration_error": calibration_error(_bins(panel)), **at_cutoff}


def _of_segment(panel: Panel, twins: Models) -> dict[str, float]:
    return {"silhouette": panel.facts["silhouette"].mean()}


def _of_sentiment(panel: Panel, twins: Models) -> dict[str, float]:
    return {"macro_f1": macro_f1(panel.facts["told"], panel.facts["felt"])}


_MEASURES: dict[UseCase, Callable[[Panel, Models], dict[str, float]]] = {
    "recommend": _of_recommend, "churn": _of_churn, "segment": _of_segment, "sentiment": _of_sentiment
}  # fmt: skip


def _rounded(value: float) -> float:
    return round(float(value), 6)
