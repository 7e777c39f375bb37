"""Fidelity and evidence: how good each layer's answer is by how many of the entity's events it has not seen.

For an entity whose events are e1..en in time, the batch layer knows the first k; at lag L the speed layer knows
the first k + L; truth is what came after (or, for segments and sentiment, what full knowledge gives). Both layers
answer through the functions that serve. The models that are judged have not seen what they are judged on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from batch.customers.churn import before_window, fold, labelled_accounts
from batch.feelings.sentiment import labelled_posts
from batch.judgement.blends import blends
from batch.judgement.cases import CASES, INCUMBENT, POST, Contest, churn_cases, post_cases, title_cases, user_cases
from batch.judgement.evidence import Evidence, evidence_of
from batch.judgement.lags import Bootstrap, ByLag, by_lag
from batch.judgement.panel import Panel, panel
from batch.judgement.replay import LAGS, Replay
from batch.known import Known
from batch.recommenders.baselines import recommend_baselines
from batch.training import JUDGED_FOLD, early
from lambda_arch.config import Config
from lambda_arch.features import unit_tile
from lambda_arch.fidelity import FidelityTable, bucket
from lambda_arch.models import Models
from lambda_arch.records import USE_CASES, UseCase
from lambda_arch.schemas import ArrowFunction
from lambda_arch.tiles import MILLION

LEAST_EVENTS = 10
LEAST_POSTS = 4


@dataclass(frozen=True)
class Judged:
    """Fidelity of tonight's models, of the incumbent's on the same cases, and tonight's evidence by use case."""

    fidelity: FidelityTable
    of_incumbent: FidelityTable | None
    evidence: dict[UseCase, Evidence]


def backtest(known: Known, twins: Models, incumbent_twins: Models | None, config: Config) -> Judged:
    """Tonight's models, the incumbent's and the baselines on the same cases.

    `twins` are trained like the models that they stand for, on what is not judged; the incumbent's twins are those
    that its own night measured.
    """
    settings, contest = config.batch.backtest, Contest(twins, incumbent_twins)
    bootstrap = Bootstrap(settings.resamples, config.batch.seed, settings.least_cases)
    drawn = _drawn(known, config)
    cases = pa.concat_tables([_unreplayed(known, contest, drawn, config), *_replayed(known, contest, drawn, config)])
    panels = {name: found for name in USE_CASES if (found := panel(cases, name))}
    evidence = {name: evidence_of(name, found, twins, bootstrap) for name, found in panels.items()}
    return Judged(
        fidelity=_fidelity(panels, "", twins.generation, bootstrap),
        of_incumbent=_fidelity(panels, INCUMBENT, twins.generation, bootstrap) if incumbent_twins else None,
        evidence={name: shown for name, shown in evidence.items() if shown},
    )


def _fidelity(panels: dict[UseCase, Panel], prefix: str, generation: int, bootstrap: Bootstrap) -> FidelityTable:
    """The table of one contestant; use cases that it has no model for are absent."""
    lagging = {name: found.where(found.bucket != POST) for name, found in panels.items()}
    found: dict[UseCase, ByLag] = {
        name: by_lag(of, prefix, bootstrap) for name, of in lagging.items() if f"{prefix}batch" in of.answers
    }
    measures = {str(name): lags.measures for name, lags in found.items()}
    gains = {str(name): lags.gains for name, lags in found.items()}
    own = {} if prefix else {str(name): blends(of, bootstrap) for name, of in lagging.items() if name in found}
    return FidelityTable(generation, measures, gains, blends={name: lags for name, lags in own.items() if lags})


def _unreplayed(known: Known, contest: Contest, drawn: Column, config: Config) -> pa.Table:
    """Cases that no cut moves: of customers at the moment from which their label counts, and of labelled posts."""
    replay = _replay(config, config.batch.backtest.known_share)
    customers = _customers(known, drawn, config).mapInArrow(churn_cases(contest, replay), CASES)
    labelled = labelled_posts(known.posts, known.labels).where(fold("title_id") == JUDGED_FOLD)
    return customers.unionByName(labelled.mapInArrow(post_cases(contest), CASES)).toArrow()


def _replayed(known: Known, contest: Contest, drawn: Column, config: Config) -> Iterator[pa.Table]:
    """Cases of viewers and titles."""
    seen = _seen_early(known, config.batch.backtest.known_share)
    baselines = recommend_baselines(seen) if contest.challenger.recommend else None
    users = _sequences(known.events.where(drawn))
    yield from _cut(users, lambda replay: user_cases(contest, baselines, replay), config)
    yield from _cut(_posts_by_title(known), lambda replay: title_cases(contest, replay), config)


def _cut(entities: DataFrame, cases: Callable[[Replay], ArrowFunction], config: Config) -> Iterator[pa.Table]:
    """Cases cut by cut, until every lag has enough of them; what no entity had left to come, none has later."""
    settings, kept = config.batch.backtest, entities.persist()
    lags: tuple[int, ...] = LAGS
    found: Counter[tuple[str, str]] = Counter()
    for share in (settings.known_share, *settings.later_shares):
        table = kept.mapInArrow(cases(_replay(config, share)._replace(lags=lags)), CASES).toArrow()
        yield table
        found.update(zip(table["use_case"].to_pylist(), table["bucket"].to_pylist(), strict=True))
        short = {at for (_, at), count in found.items() if count < settings.least_cases}
        lags = tuple(lag for lag in lags if bucket(lag) in short)
        if not lags:
            break
    kept.unpersist()


def _drawn(known: Known, config: Config) -> Column:
    """Whether a user is judged: everybody, or about as many as the settings allow, by their hash."""
    share = config.batch.backtest.most_users / max(1, known.profiles.count())
    return F.pmod(F.xxhash64("user_id", F.lit("judged")), F.lit(MILLION)) < F.lit(int(share * MILLION))


def _replay(config: Config, known_share: float) -> Replay:
    return Replay(known_share, config.batch.backtest.targets, config.features.history_limit)


def _seen_early(known: Known, known_share: float) -> DataFrame:
    """(user_id, title_id, time) of what the models that are judged know, each title of a user once."""
    units = known.events.transform(early(known_share)).withColumns(unit_tile())
    seen = units.where(F.col("strength").isNotNull() & F.col("title_id").isNotNull())
    return seen.groupBy("user_id", "title_id").agg(F.max("time").alias("time"))


def _sequences(events: DataFrame) -> DataFrame:
    """(user_id, events): each viewer's events of what was seen, in order of time."""
    units = events.withColumns(unit_tile()).where(F.col("strength").isNotNull())
    grouped = units.groupBy("user_id").agg(_in_order().alias("events"))
    return grouped.where(F.size("events") >= LEAST_EVENTS)


def _customers(known: Known, drawn: Column, config: Config) -> DataFrame:
    """(user_id, since, churned, events): the judged customers, with all that they did up to the label's moment."""
    labelled = labelled_accounts(known, config).where(fold("user_id") == JUDGED_FOLD)
    judged = labelled.where(drawn).select("user_id", "churned", "since")
    units = known.events.withColumns(unit_tile()).join(F.broadcast(judged), on="user_id", how="inner")
    earlier = units.where(before_window()).groupBy("user_id", "since", "churned")
    return earlier.agg(_in_order().alias("events"))


def _in_order() -> Column:
    """Events in order of time, as the gate would hand them on; attributes as entries, for maps cannot be sorted."""
    event = F.struct(
        F.col("time").alias("event_time"), "id_hash", "topic", "partition", "offset", "event_id", "event_type",
        "user_id", "title_id", "watched", "rated", "strength", F.map_entries("attributes").alias("attributes"),
    )  # fmt: skip
    return F.sort_array(F.collect_list(event))


def _posts_by_title(known: Known) -> DataFrame:
    """(title_id, posts): the judged titles' posts in order of time."""
    post = F.struct(F.unix_micros("event_time").alias("event_time"), "post_id", "text")
    judged = known.posts.where(fold("title_id") == JUDGED_FOLD)
    grouped = judged.groupBy("title_id").agg(F.sort_array(F.collect_list(post)).alias("posts"))
    return grouped.where(F.size("posts") >= LEAST_POSTS)
