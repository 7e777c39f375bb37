"""What the registry is told of a generation, and how it catches up with the lake."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from batch.exports.export import exported
from batch.reporting.report import Told, cutoff_curve, drawings_of
from batch.reporting.tried import told as settings_told
from batch.stored import Stored, digests, stored
from lambda_arch.fidelity import BUCKETS, STARTS
from lambda_arch.keys import Generations
from lambda_arch.lake import Lake
from lambda_arch.models import Models, SentimentModel
from lambda_arch.recommend_model import RecommendModel
from lambda_arch.records import USE_CASES, UnknownSchemaError, UseCase
from lambda_arch.registry import Entry, Page, Registry

Metrics = Iterator[tuple[str, float, int]]


def sync(lake: Lake, registry: Registry, pointer: Generations) -> list[int]:
    """Record every generation of the lake that the registry lacks or has otherwise, and set the aliases.

    Answers the numbers of those recorded; those that another release wrote are left out.
    """
    known, recorded = registry.digests(), []
    for number, digest in digests(lake).items():
        if known.get(number) == digest:
            continue
        try:
            entry = entry_of(stored(lake, number), digest)
        except UnknownSchemaError:
            continue
        registry.record(entry)
        recorded.append(number)
    registry.point(pointer.current, pointer.previous)
    return recorded


def entry_of(generation: Stored, digest: str) -> Entry:
    """A generation's runs and models for the registry.

    By the digest of its models a night that was run again under other settings is told from the same.
    """
    models, told = generation.models(), generation.report
    trained_in = generation.trained_in()
    tonight = [name for name in USE_CASES if trained_in.get(name) == generation.number]
    return Entry(
        generation=generation.number,
        digest=digest,
        time=generation.horizon,
        page=_night(generation.number, told),
        use_cases={name: _use_case(name, told, models) for name in USE_CASES if name in trained_in},
        models={name: exported(models, name, "onnx") for name in tonight},
        trained_in={name: trained_in[name] for name in USE_CASES if name in trained_in},
    )


def _night(number: int, told: Told) -> Page:
    counts = {"users": told["users"], "titles": told["titles"]} | {
        f"rows.{table}": source["rows"] for table, source in told.get("data", {}).items()
    }
    metrics = {**counts, **{f"seconds.{stage}": seconds for stage, seconds in told["seconds"].items()}}
    return Page(
        name=f"generation {number}",
        params=_read(told),
        metrics=tuple((name, float(value), 0) for name, value in metrics.items()),
        files={"report.json": msgspec.json.format(msgspec.json.encode(told))},
    )


def _use_case(name: UseCase, told: Told, models: Models) -> Page:
    trials = told.get("trials", {}).get(name, [])
    files: dict[str, Any] = {"trials.json": trials, "feature list.json": _inputs(getattr(models, name))}
    for part in ("evidence", "verdicts", "features"):
        if name in told.get(part, {}):
            files[f"{part}.json"] = told[part][name]
    drawings = drawings_of(name, {**told, "curve": cutoff_curve(models)})
    return Page(
        name=name,
        params={
            "model": told["models"][name],
            **dict(settings_told(told.get("settings", {}).get(name, {}))),
            **_read(told),
        },
        metrics=(*_fidelity(name, told), *_chosen(trials), *_evidence(told.get("evidence", {}).get(name, {}))),
        files={
            **{path: msgspec.json.format(msgspec.json.encode(content)) for path, content in files.items()},
            **{f"plots/{plot}.svg": drawing.encode() for plot, drawing in drawings.items()},
        },
    )


def _read(told: Told) -> dict[str, str]:
    """The horizon, and every table of the lake in the version that was read."""
    versions = {f"lake.{table}": f"version {source['version']}" for table, source in told.get("data", {}).items()}
    return {"horizon": told["horizon"], **versions}


def _inputs(model: Any) -> list[str]:
    """What a model looks at: features of a profile, titles that were seen, or the tokens of a text."""
    if isinstance(model, RecommendModel):
        return model.titles
    return list(model.vocabulary if isinstance(model, SentimentModel) else model.features)


def _fidelity(name: UseCase, told: Told) -> Metrics:
    """The step is the bucket's least lag."""
    for layer, measures in told["fidelity"]["measures"].get(name, {}).items():
        for start, bucket in zip(STARTS, BUCKETS, strict=True):
            if bucket in measures:
                yield metric(f"fidelity.{layer}"), measures[bucket]["value"], start


def _chosen(trials: list[Told]) -> Metrics:
    for name, value in (trials[0]["metrics"] if trials else {}).items():
        yield metric(f"selection.{name}"), value, 0


def _evidence(shown: Told) -> Metrics:
    if shown:
        yield "evidence.value", shown["value"], 0
        yield "evidence.cases", float(shown["cases"]), 0
    for rival in (*shown.get("baselines", []), *([shown["incumbent"]] if shown.get("incumbent") else [])):
        yield metric(f"evidence.gain over {rival['name']}"), rival["gain"], 0
    for name, value in shown.get("measures", {}).items():
        yield metric(f"evidence.{name}"), value, 0


def metric(name: str) -> str:
    """A metric's name as MLflow takes it."""
    return re.sub(r"[^\w\-. /]", "_", name)
