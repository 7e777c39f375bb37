"""The gate: may this generation be trained at all, and may each use case's new model replace what is in service?

Pure and total. Whatever is refused is refused with every check's figures, so that a person can follow it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec

from batch.judgement.evidence import Evidence, Rival
from lambda_arch.clock import HOUR, rfc3339
from lambda_arch.recipes import Bar, Gate, Standing
from lambda_arch.records import USE_CASES, UseCase

NOTHING = Evidence(metric="", value=0.0, cases=0)
NEEDED: dict[UseCase, str] = {
    "recommend": "views, ratings or list additions are needed",
    "segment": "viewers are needed",
    "churn": "accounts that cancelled and accounts that did not are needed",
    "sentiment": "posts labelled positive and posts labelled negative are needed",
}


class RefusedError(RuntimeError):
    """The generation was refused; what was in service stays in service."""


class Counts(msgspec.Struct, frozen=True):
    """What is known at the horizon: users, and the time of the newest event (microseconds; None without any)."""

    users: int
    newest: int | None


class Check(msgspec.Struct, frozen=True):
    """One thing that was asked of a model, whether it holds, and a sentence with the figures."""

    name: str
    passed: bool
    sentence: str


class Verdict(msgspec.Struct, frozen=True):
    """Whether a use case's new model goes into service, by all of its checks."""

    accepted: bool
    checks: tuple[Check, ...]

    def reasons(self) -> str:
        """Why it was refused; empty where it was not."""
        return "; ".join(check.sentence for check in self.checks if not check.passed)


def refusal(counts: Counts, incumbent_users: int | None, horizon: int, gate: Gate) -> str | None:
    """Why there must not be a generation at this horizon, or None; to be asked before anything is trained."""
    if counts.newest is None:
        return "no user has an event before the horizon: ingest events first, or choose a later horizon"
    if counts.users < gate.min_users:
        return f"{counts.users} users, fewer than batch.gate.min_users = {gate.min_users}"
    if counts.users < gate.min_share * (incumbent_users or 0):
        share = f"batch.gate.min_share = {gate.min_share:g}"
        return f"{counts.users} users, less than {share} of the {incumbent_users} in service: look for what is missing"
    silence = (horizon - counts.newest) / HOUR
    if silence > gate.max_silence_hours:
        limit = f"batch.gate.max_silence_hours = {gate.max_silence_hours:g}"
        last = f"the last event before the horizon is of {rfc3339(counts.newest)}"
        return f"{last}, {silence:.0f} hours earlier, more than {limit}: ingest what is missing"
    return None


def judge(
    trained: Collection[UseCase], evidence: Mapping[UseCase, Evidence], gate: Gate, reasons: Mapping[UseCase, str]
) -> dict[UseCase, Verdict]:
    """Every use case's verdict; a model without evidence has no case and was measured against nobody.

    `reasons` says why a use case can have no model, where that is known.
    """
    return {
        use_case: _verdict(
            _checks(use_case, evidence, gate) if use_case in trained else [_untrained(use_case, reasons.get(use_case))]
        )
        for use_case in USE_CASES
    }


def _untrained(use_case: UseCase, reason: str | None) -> Check:
    told = f"{reason}; {NEEDED[use_case]}" if reason else NEEDED[use_case]
    return Check("trained", False, f"no model could be trained: {told}")


def _checks(use_case: UseCase, evidence: Mapping[UseCase, Evidence], gate: Gate) -> Iterator[Check]:
    bar: Bar = getattr(gate, use_case)
    shown = evidence.get(use_case, NOTHING)
    yield Check(
        "cases", shown.cases >= bar.min_cases, f"measured on {shown.cases} cases, at least {bar.min_cases} are asked"
    )
    measured = {rival.name: rival for rival in shown.baselines}
    for name, standing in bar.baselines.items():
        if standing != "any":
            yield _against(f"baseline {name}", standing, shown, measured.get(name))
    if shown.incumbent:
        yield _against("incumbent", "level", shown, shown.incumbent)
    for measure, least in bar.criteria.items():
        yield _criterion(measure, least, shown.measures.get(measure))


def _against(who: str, standing: Standing, shown: Evidence, rival: Rival | None) -> Check:
    """`above`: the gain's interval lies above 0; `level`: it does not lie below 0."""
    if rival is None:
        return Check(who, False, f"{who} was not measured")
    passed = rival.low > 0 if standing == "above" else rival.high >= 0
    asked = "must lie above 0" if standing == "above" else "must not lie below 0"
    interval = f"gain {rival.gain:+.4f}, 95 % interval {rival.low:+.4f} to {rival.high:+.4f}, {asked}"
    return Check(who, passed, f"{shown.metric} {shown.value:.4f} against {rival.value:.4f} of {who}: {interval}")


def _criterion(measure: str, least: float, value: float | None) -> Check:
    if value is None:
        return Check(measure, False, f"{measure} was not measured, at least {least:g} is asked")
    return Check(measure, value >= least, f"{measure} {value:.4f}, at least {least:g} is asked")


def _verdict(checks: Iterable[Check]) -> Verdict:
    found = tuple(checks)
    return Verdict(all(check.passed for check in found), found)
