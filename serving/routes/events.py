"""What is handed in: events and posts, one or many, into Kafka or refused by the rule that is broken."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse

from serving.intake import BodyError, Entry, Intake, Kind, split
from serving.outbox import Receipt
from serving.problems import RETRY_SECONDS, documented, problem
from serving.replies import Reply

MAX_RECORDS = 1000
_LINES = ("application/x-ndjson", "application/jsonl", "application/jsonlines")
_RECORD = {"type": "object", "description": "A record of the contract (docs/api.md)"}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"oneOf": [
                _RECORD, {"type": "array", "items": _RECORD, "minItems": 1, "maxItems": MAX_RECORDS}]}},
            "application/x-ndjson": {
                "schema": {"type": "string", "pattern": "\\S", "description": "One record a line"}},
        },
    }
}  # fmt: skip
_REFUSED = documented({
    400: "The body is not JSON", 408: "The body did not come in time", 413: "Too large a body, or too many records",
    415: "Neither JSON nor JSON lines", 422: "A record breaks a rule: nothing was sent. `records` names each",
    503: "Kafka has not acknowledged all. `records` says which; send all again: an id that is known counts once",
})  # fmt: skip


class RecordReply(Reply):
    """What became of one record: where it is in Kafka, or the rule that it breaks.

    `unacknowledged`: Kafka may have it or not; the same id again counts once.
    """

    index: int
    id: str | None = None
    status: Literal["accepted", "rejected", "unacknowledged", "not_sent"]
    partition: int | None = None
    offset: int | None = None
    reason: str | None = None
    field: str | None = None
    rule: str | None = None


class IntakeReply(Reply):
    """Accepted is in Kafka, acknowledged by all replicas; rejected only with `partial`."""

    accepted: int
    rejected: int
    records: list[RecordReply]


def _intake(request: Request) -> Intake:
    intake: Intake = request.app.state.intake
    return intake


AtIntake = Annotated[Intake, Depends(_intake)]
Partial = Annotated[bool, Query(description="Send the valid records though others break a rule.")]
events = APIRouter(prefix="/v1", responses=_REFUSED)


@events.post("/events", status_code=202, response_model=IntakeReply, openapi_extra=_BODY)
async def post_events(request: Request, intake: AtIntake, partial: Partial = False) -> JSONResponse:
    """Take in one event or many: all of them, or with the first broken rule none, unless `partial`."""
    return await _taken_in("events", request, intake, partial)


@events.post("/posts", status_code=202, response_model=IntakeReply, openapi_extra=_BODY)
async def post_posts(request: Request, intake: AtIntake, partial: Partial = False) -> JSONResponse:
    """Take in one post or many: all of them, or with the first broken rule none, unless `partial`."""
    return await _taken_in("posts", request, intake, partial)


async def _taken_in(kind: Kind, request: Request, intake: Intake, partial: bool) -> JSONResponse:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in ("application/json", *_LINES):
        return problem(415, f"Content-Type {media_type or 'missing'}: want application/json or {_LINES[0]}")
    try:
        values = split(await request.body(), media_type in _LINES)
    except BodyError as error:
        return problem(400, str(error))
    if not 0 < len(values) <= MAX_RECORDS:
        return problem(413 if values else 400, f"want 1 to {MAX_RECORDS} records in a request, have {len(values)}")
    entries = await intake.checked(kind, values)
    faults = sum(entry.fault is not None for entry in entries)
    if faults and (not partial or faults == len(entries)):
        return _invalid(entries)
    receipts = await intake.send(kind, [entry for entry in entries if entry.fault is None])
    return _told(entries, receipts)


def _invalid(entries: list[Entry]) -> JSONResponse:
    records = [_rejected(number, entry) if entry.fault else RecordReply(index=number, id=entry.id, status="not_sent")
               for number, entry in enumerate(entries)]  # fmt: skip
    first = next(record for record in records if record.status == "rejected")
    faults = sum(record.status == "rejected" for record in records)
    told = f"{faults} of {len(entries)} records break a rule, nothing was sent; record {first.index}: {first.reason}"
    return problem(422, f"{told} ({first.rule})", extra={"records": _plain(records)})


def _told(entries: list[Entry], receipts: list[Receipt]) -> JSONResponse:
    left = iter(receipts)
    records = [_rejected(number, entry) if entry.fault else _sent(number, entry, next(left))
               for number, entry in enumerate(entries)]  # fmt: skip
    fault = next((receipt.fault for receipt in receipts if receipt.fault), None)
    accepted = sum(record.status == "accepted" for record in records)
    if fault is None:
        reply = IntakeReply(accepted=accepted, rejected=len(records) - accepted, records=records)
        return JSONResponse({**reply.model_dump(), "records": _plain(records)}, 202)
    told = f"{accepted} of {len(receipts)} records are acknowledged ({fault}): send all again, known ids count once"
    return problem(503, told, {"Retry-After": RETRY_SECONDS}, {"records": _plain(records)})


def _rejected(number: int, entry: Entry) -> RecordReply:
    reason, field, words = entry.fault or ("", None, "")
    return RecordReply(index=number, id=entry.id, status="rejected", reason=reason, field=field, rule=words)


def _sent(number: int, entry: Entry, receipt: Receipt) -> RecordReply:
    if receipt.fault:
        return RecordReply(index=number, id=entry.id, status="unacknowledged", reason=receipt.fault)
    return RecordReply(index=number, id=entry.id, status="accepted", partition=receipt.partition, offset=receipt.offset)


def _plain(records: list[RecordReply]) -> list[dict[str, Any]]:
    return [record.model_dump(exclude_none=True) for record in records]
