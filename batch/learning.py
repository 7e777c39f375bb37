"""What is known -> models that may answer: selected, trained, measured on what their twins had not seen, and judged."""

from __future__ import annotations

from typing import NamedTuple

from batch.judgement.backtest import Judged, backtest
from batch.judgement.gate import Verdict, judge
from batch.judgement.incumbent import Candidate, Incumbent, admitted
from batch.known import Known
from batch.stages import Stages
from batch.training import Selected, everything, select, trained, unjudged
from lambda_arch.config import Config
from lambda_arch.records import UseCase


class Learnt(NamedTuple):
    """What goes into service tonight, and what that rests on."""

    tonight: Candidate
    selected: Selected
    judged: Judged
    verdicts: dict[UseCase, Verdict]


def learnt(known: Known, number: int, incumbent: Incumbent | None, config: Config, stages: Stages) -> Learnt:
    """The models of a generation: where the gate refuses one, the incumbent's stays in its place."""
    whole = everything(known, config)
    earlier = unjudged(whole, known, config)
    with stages("select"):
        selected = select(earlier, config.batch)
    with stages("train"):
        models = trained(whole, selected.settings, number, incumbent.models if incumbent else None)
    with stages("backtest"):
        twins = trained(earlier, selected.settings, number)
        judged = backtest(known, twins, incumbent.twins if incumbent else None, config)
    verdicts = judge(models.in_service(), judged.evidence, config.batch.gate, selected.reasons)
    tonight = admitted(Candidate(models, twins, judged.fidelity), verdicts, incumbent, judged.of_incumbent)
    return Learnt(tonight, selected, judged, verdicts)
