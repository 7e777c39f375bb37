"""How a file of ratings becomes events, for the tests that ingest such files."""

from __future__ import annotations

from batch.ingestion.mapping import Mapping

RATINGS = Mapping(
    name="ratings",
    target="events",
    format="csv",
    columns={
        "event_id": "concat('r-', user, '-', film)",
        "event_type": "'rating'",
        "user_id": "user",
        "title_id": "film",
        "event_time": "cast(time as bigint) * 1000",
        "value": "cast(stars as double)",
    },
)
