"""Lists of users for the command line: the API's very walks, without HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import BinaryIO

from lambda_arch.config import Config
from lambda_arch.list_reads import ListReads
from lambda_arch.reads import AsyncStore
from lambda_arch.store import StoreError
from serving.answers import Answers
from serving.audience import Audience, Moment, members_of
from serving.risk_page import Asked, Page, page
from serving.rows import Format, MemberRow, encoded, header, member_row
from serving.segment_list import SegmentsReply, segments_of
from serving.tradeoff import Costs, at_costs, cheapest

Progress = Callable[[int], None]


@asynccontextmanager
async def audience_of(config: Config) -> AsyncIterator[tuple[Audience, Moment]]:
    """The audience of a store, now; raises StoreError where the store is away or has no lists."""
    store = AsyncStore(config.store.url)
    answers = Answers(store, config)
    try:
        audience = Audience(answers, ListReads(store))
        yield audience, await audience.moment()
    finally:
        await answers.close()


async def segments(config: Config) -> SegmentsReply:
    """The segments in service."""
    async with audience_of(config) as (_, moment):
        return segments_of(moment)


async def members(config: Config, segment: int, out: BinaryIO, form: Format, tell: Progress) -> int:
    """Write a segment's members, telling how many were looked at; answers how many were written.

    Raises StoreError where there is no such segment.
    """
    async with audience_of(config) as (audience, moment):
        model = moment.view.models().segment
        if model is None or segment not in model.row:
            raise StoreError(f"segment {segment} is not in service: `lambda-arch segments list` has those that are")
        written = 0
        out.write(header(MemberRow, form))
        async for piece in audience.walk(moment, members_of(segment)):
            out.write(encoded([member_row(answer) for answer in piece], form))
            written += len(piece)
            tell(written)
        return written


async def at_risk(config: Config, count: int, cutoff: float | None, costs: Costs | None, segment: int | None) -> Page:
    """The first of the ranking of those about to leave; raises StoreError where no model tells a cutoff."""
    async with audience_of(config) as (audience, moment):
        model = moment.view.models().churn
        if costs and model and model.curve:
            cutoff = cheapest(at_costs(model, costs)).cutoff
        elif cutoff is None and model:
            cutoff = model.cutoff
        if cutoff is None:
            raise StoreError("no model of churn is in service: say which --cutoff")
        return await page(audience, moment, Asked(count, cutoff, segment=segment))
