"""What is asked about segments: which there are, and who is in one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Response

from serving.answers import View
from serving.audience import AtAudience, members_of
from serving.problems import DOCUMENTED, absent, problem
from serving.rows import DOCUMENTED as FILE
from serving.rows import Format, MemberRow, file, member_row, wanted
from serving.segment_list import SegmentsReply, segments_of

UNKNOWN = "no such segment in service: /v1/segments has them"

segments = APIRouter(prefix="/v1/segments", responses=DOCUMENTED)


@segments.get("")
async def list_segments(audience: AtAudience) -> SegmentsReply:
    """Which segments there are; none where no model of segments is in service."""
    return segments_of(await audience.moment())


@segments.get("/{segment}/members", response_class=Response, responses={200: FILE, 404: absent(UNKNOWN)})
async def members(
    segment: Annotated[int, Path(ge=0, le=2**31 - 1)],
    audience: AtAudience,
    format: Annotated[Format | None, Query(description="Of the file; else the Accept header decides.")] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Everybody who is in a segment by what both layers say, as a file that is written as it is read.

    A list knows no arms of experiments: who is asked about alone may be told otherwise, by the policy of their arm.
    """
    moment = await audience.moment()
    if not _is_known(moment.view, segment):
        return problem(404, f"segment {segment}: {UNKNOWN}")
    form = format or wanted(accept) or Format.JSONL
    pieces = audience.walk(moment, members_of(segment))
    return file(pieces, member_row, MemberRow, form, f"segment-{segment}", moment.generation)


def _is_known(view: View, segment: int) -> bool:
    model = view.models().segment
    return model is not None and segment in model.row
