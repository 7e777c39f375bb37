"""The backtest's cases of one entity: what everybody would have said, against what came.

A case is one question put to everybody: to both layers with tonight's models, to both with the incumbent's, and to
the baselines. All answer the very same cases, so that they can be compared case by case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from batch.feelings.lexicon import sentiment_baselines
from batch.judgement.panel import BLEND
from batch.judgement.replay import Replay, Viewer, events_of
from batch.measures.answers import CUT, minus_log_loss, ndcg, recall
from batch.recommenders.baselines import RecommendBaselines
from lambda_arch.blending import WEIGHTS, between, blended_lists
from lambda_arch.fidelity import bucket
from lambda_arch.models import ChurnModel, Models
from lambda_arch.posts import FEELINGS, PostTile, merge_post_tiles
from lambda_arch.recommend_model import RecommendModel
from lambda_arch.schemas import ArrowFunction
from lambda_arch.scoring import churn_probability, feeling, nearest_segment, post_tile, silhouette, top_titles_many
from lambda_arch.tiles import Profile

INCUMBENT = "incumbent:"
POST = "post"
CASES = (
    "use_case string, entity string, bucket string, answers map<string,double>, facts map<string,double>, "
    "listed array<string>"
)
_AMOUNTS = pa.map_(pa.string(), pa.float64())
_CASES = pa.schema([
    ("use_case", pa.string()), ("entity", pa.string()), ("bucket", pa.string()), ("answers", _AMOUNTS),
    ("facts", _AMOUNTS), ("listed", pa.list_(pa.string())),
])  # fmt: skip


class Case(NamedTuple):
    """One question, and the quality (higher is better) of each answer by who gave it.

    By name: `batch`, `speed`, the same after INCUMBENT, the baselines, and after BLEND both layers together, by the
    speed layer's weight. `bucket` is that of the lag, or POST for a single post. `facts` and `listed` are of tonight's
    models where batch and speed know the same.
    """

    use_case: str
    entity: str
    bucket: str
    answers: dict[str, float]
    facts: dict[str, float]
    listed: Sequence[str] = ()


class Contest(NamedTuple):
    """Who answers: tonight's models and, where there are any, the incumbent's; neither has seen what is judged."""

    challenger: Models
    incumbent: Models | None = None

    def of(self, use_case: str) -> dict[str, Any]:
        """The models of a use case by the prefix of their answers; none where tonight has none."""
        found = {"": getattr(self.challenger, use_case), INCUMBENT: getattr(self.incumbent, use_case, None)}
        return {prefix: model for prefix, model in found.items() if model is not None} if found[""] is not None else {}


def user_cases(contest: Contest, baselines: RecommendBaselines | None, replay: Replay) -> ArrowFunction:
    """(user_id, events) -> cases of recommend and segment at every lag the viewer's events allow."""

    def of_row(row: Mapping[str, Any]) -> Iterator[Case]:
        viewers = list(replay.viewers(events_of(row["events"]), contest.challenger.genres))
        for viewer, listed in zip(viewers, _lists(contest, viewers), strict=True):
            yield from _recommend_case(baselines, row["user_id"], viewer, listed)
            yield from _segment_case(contest, row["user_id"], viewer)

    return _cases(of_row)


def churn_cases(contest: Contest, replay: Replay) -> ArrowFunction:
    """(user_id, since, churned, events up to `since`) -> cases at every lag that the customer's events allow.

    Both layers are asked at the moment from which the label counts: speed knows all events, batch all but the last.
    Who has no account there has the base rate, as in service.
    """
    models = contest.of("churn")

    def told(model: ChurnModel, profile: Profile, now: int) -> float:
        return churn_probability(model, profile, now) if profile.lifetime.account else model.base_rate

    def of_row(row: Mapping[str, Any]) -> Iterator[Case]:
        events = events_of(row["events"])
        now, churned = row["since"], bool(row["churned"])
        behind = replay.behind(events, contest.challenger.genres) if models else []
        for lag, batch, speed in behind:
            said = {f"{prefix}batch": told(model, batch, now) for prefix, model in models.items()}
            said |= {f"{prefix}speed": told(model, speed, now) for prefix, model in models.items()}
            answers = {name: minus_log_loss(p, churned) for name, p in said.items()}
            mixed = {at: between(said["batch"], said["speed"], at) for at in WEIGHTS if lag}
            answers |= {f"{BLEND}{at}": minus_log_loss(p, churned) for at, p in mixed.items()}
            answers["base_rate"] = minus_log_loss(models[""].base_rate, churned)
            facts = {} if lag else {"probability": said["batch"], "happened": float(churned)}
            yield Case("churn", row["user_id"], bucket(lag), answers, facts)

    return _cases(of_row)


def title_cases(contest: Contest, replay: Replay) -> ArrowFunction:
    """(title_id, posts) -> cases of sentiment at every lag the title's posts allow."""
    models = contest.of("sentiment")

    def of_row(row: Mapping[str, Any]) -> Iterator[Case]:
        tiles = {
            prefix: [post_tile(model, post["event_time"], post["text"]) for post in row["posts"]]
            for prefix, model in models.items()
        }  # fmt: skip
        first, cuts = replay.first(len(row["posts"])), replay.cuts(len(row["posts"]))
        for lag, known in cuts if models else ():
            answers = {}
            for prefix, of_model in tiles.items():
                full = _share(of_model)
                answers[f"{prefix}batch"] = 1 - abs(_share(of_model[:first]) - full)
                answers[f"{prefix}speed"] = 1 - abs(_share(of_model[:known]) - full)
            own = tiles[""]
            for at in WEIGHTS if known > first else ():
                share = between(_share(own[:first]), _share(own[:known]), at)
                answers[f"{BLEND}{at}"] = 1 - abs(share - _share(own))
            answers["overall_share"] = 1 - abs(models[""].positive_share - _share(tiles[""]))
            yield Case("sentiment", row["title_id"], bucket(lag), answers, {})

    return _cases(of_row)


def post_cases(contest: Contest) -> ArrowFunction:
    """Labelled posts (title_id, text, feeling) -> cases of bucket POST: whether each was told right."""
    models = contest.of("sentiment")

    def of_row(row: Mapping[str, Any]) -> Iterator[Case]:
        told = {f"{prefix}batch": feeling(model, row["text"]) for prefix, model in models.items()}
        if not told:
            return
        shares = dict(zip(models[""].classes, models[""].shares, strict=True))
        baselines = {name: said for name, [said] in sentiment_baselines(shares, [row["text"]]).items()}
        right = {name: float(said == row["feeling"]) for name, said in {**told, **baselines}.items()}
        facts = {"told": float(FEELINGS.index(told["batch"])), "felt": float(FEELINGS.index(row["feeling"]))}
        yield Case("sentiment", row["title_id"], POST, right, facts)

    return _cases(of_row)


def _recommend_case(
    baselines: RecommendBaselines | None, user_id: str, viewer: Viewer, layers: dict[str, list[str]]
) -> Iterator[Case]:
    if baselines is None or not viewer.coming:
        return
    lists = layers | baselines.lists(viewer.speed.lifetime.history, CUT)
    answers = {name: ndcg(listed, viewer.coming) for name, listed in lists.items()}
    for at in WEIGHTS if viewer.lag else ():
        mixed = [title for title, _ in blended_lists(layers["batch"], layers["speed"], at)]
        answers[f"{BLEND}{at}"] = ndcg(mixed, viewer.coming)
    own = [] if viewer.lag else layers["batch"]
    facts = {} if viewer.lag else {"recall": recall(own, viewer.coming)}
    yield Case("recommend", user_id, bucket(viewer.lag), answers, facts, own)


def _segment_case(contest: Contest, user_id: str, viewer: Viewer) -> Iterator[Case]:
    models, now = contest.of("segment"), contest.challenger.horizon
    if not models:
        return
    answers = {}
    for prefix, model in models.items():
        truth = nearest_segment(model, viewer.full, now)[0]
        answers[f"{prefix}batch"] = float(nearest_segment(model, viewer.batch, now)[0] == truth)
        answers[f"{prefix}speed"] = float(nearest_segment(model, viewer.speed, now)[0] == truth)
    own = models[""]
    answers["largest"] = float(own.largest == nearest_segment(own, viewer.full, now)[0])
    facts = {} if viewer.lag else {"silhouette": silhouette(own, viewer.full, now)}
    yield Case("segment", user_id, bucket(viewer.lag), answers, facts)


def _lists(contest: Contest, viewers: Sequence[Viewer]) -> list[dict[str, list[str]]]:
    """What both layers recommend at each lag, by who answers; all histories are asked about together, each once."""
    models: dict[str, RecommendModel] = contest.of("recommend")
    listed: list[dict[str, list[str]]] = [{} for _ in viewers]
    histories = [viewer.speed.lifetime.history for viewer in viewers if viewer.lag]
    histories = [*(viewer.batch.lifetime.history for viewer in viewers[:1]), *histories]
    for prefix, model in models.items():
        of_batch, *of_speed = [[title for title, _ in best] for best in top_titles_many(model, histories, CUT)] or [[]]
        later = iter(of_speed)
        for viewer, answers in zip(viewers, listed, strict=True):
            answers |= {f"{prefix}batch": of_batch, f"{prefix}speed": next(later) if viewer.lag else of_batch}
    return listed


def _share(tiles: Sequence[PostTile]) -> float:
    total = merge_post_tiles(tiles)
    return total.positive / total.posts if total.posts else 0.5


def _cases(of_row: Callable[[Mapping[str, Any]], Iterator[Case]]) -> ArrowFunction:
    def cases(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            found = [case for row in batch.to_pylist() for case in of_row(row)]
            rows = [{**case._asdict(), "answers": [*case.answers.items()], "facts": [*case.facts.items()]}
                    for case in found]  # fmt: skip
            yield pa.RecordBatch.from_pylist(rows, _CASES)

    return cases
