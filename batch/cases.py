"""The backtest's cases of one entity: what batch, speed and the baseline would have said, against what came."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from lambda_arch.clock import day_of
from lambda_arch.features import profile_of_row
from lambda_arch.fidelity import bucket
from lambda_arch.models import Models
from lambda_arch.posts import PostTile, merge_post_tiles
from lambda_arch.recipes import Backtest
from lambda_arch.schemas import ArrowFunction
from lambda_arch.scoring import churn_probability, nearest_segment, post_tile, top_titles
from lambda_arch.tiles import Event, Profile, Tile, merge_tiles, profile_of, unit_tile

LAGS = (0, 1, 3, 10, 30)
CUT = 10
CASES = "use_case string, layer string, bucket string, value double"
_CASES = pa.schema(
    [("use_case", pa.string()), ("layer", pa.string()), ("bucket", pa.string()), ("value", pa.float64())]
)
_FLOOR = 1e-6


class Case(NamedTuple):
    """One measured answer."""

    use_case: str
    layer: str
    bucket: str
    value: float


def user_cases(models: Models, settings: Backtest, history_limit: int) -> ArrowFunction:
    """(user_id, events) -> cases of recommend and segment at every lag the viewer's events allow."""

    def of_row(row: Mapping[str, Any]) -> Iterator[Case]:
        events = [msgspec.convert(event, Event) for event in row["events"]]
        first = int(len(events) * settings.known_share)
        full = _profile(events, models, history_limit)
        batch = _profile(events[:first], models, history_limit)
        for lag in [lag for lag in LAGS if first + lag < len(events)]:
            speed = _profile(events[: first + lag], models, history_limit)
            coming = _coming(speed, events[first + lag :], settings.targets)
            yield from _recommend_cases(models, batch, speed, coming, bucket(lag))
            yield from _segment_cases(models, batch, speed, full, bucket(lag))

    return _cases(of_row)


def churn_cases(models: Models) -> ArrowFunction:
    """Labelled accounts -> cases at lag 0 (both know the account) and 1 (batch has not seen it: the base rate)."""

    def of_row(row: Mapping[str, Any]) -> Iterator[Case]:
        if models.churn is None:
            return
        told = minus_log_loss(
            churn_probability(models.churn, profile_of_row(dict(row)), models.horizon), row["churned"]
        )
        base = minus_log_loss(models.churn.base_rate, row["churned"])
        for lag in (0, 1):
            yield Case("churn", "batch", bucket(lag), base if lag else told)
            yield Case("churn", "speed", bucket(lag), told)
            yield Case("churn", "baseline", bucket(lag), base)

    return _cases(of_row)


def title_cases(models: Models, known_share: float) -> ArrowFunction:
    """(title_id, posts) -> cases of sentiment at every lag the title's posts allow."""

    def of_row(row: Mapping[str, Any]) -> Iterator[Case]:
        model = models.sentiment
        if model is None:
            return
        tiles = [post_tile(model, post["event_time"], post["text"]) for post in row["posts"]]
        first, full = int(len(tiles) * known_share), _share(tiles)
        for lag in [lag for lag in LAGS if first + lag < len(tiles)]:
            yield Case("sentiment", "batch", bucket(lag), 1 - abs(_share(tiles[:first]) - full))
            yield Case("sentiment", "speed", bucket(lag), 1 - abs(_share(tiles[: first + lag]) - full))
            yield Case("sentiment", "baseline", bucket(lag), 1 - abs(model.positive_share - full))

    return _cases(of_row)


def ndcg(listed: Sequence[str], relevant: Iterable[str], cut: int = CUT) -> float:
    """Normalised discounted cumulative gain at `cut`, binary relevance (Järvelin, Kekäläinen 2002)."""
    wanted = set(relevant)
    gain = sum(1 / math.log2(place + 2) for place, title in enumerate(listed[:cut]) if title in wanted)
    ideal = sum(1 / math.log2(place + 2) for place in range(min(cut, len(wanted))))
    return gain / ideal if ideal else 0.0


def minus_log_loss(probability: float, happened: bool) -> float:
    """Logarithm of the probability given to what happened: 0 is perfect, and higher is better."""
    return math.log(max(_FLOOR, probability if happened else 1 - probability))


def _recommend_cases(models: Models, batch: Profile, speed: Profile, coming: list[str], at: str) -> Iterator[Case]:
    if models.recommend is None or not coming:
        return
    seen = {entry.title for entry in speed.lifetime.history}
    popular = [models.recommend.titles[row] for row in models.recommend.popular[: len(seen) + CUT]]
    answers = {
        "batch": [title for title, _ in top_titles(models.recommend, batch.lifetime.history, CUT)],
        "speed": [title for title, _ in top_titles(models.recommend, speed.lifetime.history, CUT)],
        "baseline": [title for title in popular if title not in seen],
    }
    for layer, listed in answers.items():
        yield Case("recommend", layer, at, ndcg(listed, coming))


def _segment_cases(models: Models, batch: Profile, speed: Profile, full: Profile, at: str) -> Iterator[Case]:
    model = models.segment
    if model is None:
        return
    truth = nearest_segment(model, full, models.horizon)[0]
    largest = max(range(len(model.sizes)), key=lambda number: model.sizes[number])
    yield Case("segment", "batch", at, float(nearest_segment(model, batch, models.horizon)[0] == truth))
    yield Case("segment", "speed", at, float(nearest_segment(model, speed, models.horizon)[0] == truth))
    yield Case("segment", "baseline", at, float(largest == truth))


def _profile(events: Sequence[Event], models: Models, history_limit: int) -> Profile:
    days: dict[int, list[Tile]] = {}
    for event in events:
        days.setdefault(day_of(event.event_time), []).append(unit_tile(event, models.genres))
    return profile_of({day: merge_tiles(tiles, history_limit) for day, tiles in days.items()}, history_limit)


def _coming(seen: Profile, events: Sequence[Event], targets: int) -> list[str]:
    """The next titles that are new to the viewer."""
    known = {entry.title for entry in seen.lifetime.history}
    titles = dict.fromkeys(event.title_id for event in events if event.title_id and event.title_id not in known)
    return list(titles)[:targets]


def _share(tiles: Sequence[PostTile]) -> float:
    total = merge_post_tiles(tiles)
    return total.positive / total.posts if total.posts else 0.5


def _cases(of_row: Callable[[Mapping[str, Any]], Iterator[Case]]) -> ArrowFunction:
    def cases(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            found = [case._asdict() for row in batch.to_pylist() for case in of_row(row)]
            yield pa.RecordBatch.from_pylist(found, _CASES)

    return cases
