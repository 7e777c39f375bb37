"""What followed an answer: a view of what was shown within the hours, a cancellation; nothing unsettled."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pyspark.sql import SparkSession

from batch.measures.outcomes import Exposure, Outcome, outcomes
from lambda_arch.clock import EPOCH, HOUR

pytestmark = pytest.mark.spark
EVENTS = "user_id string, title_id string, event_type string, event_time timestamp"


def test_who_watched_what_was_shown_and_who_left_within_the_hours(spark: SparkSession) -> None:
    acts = [
        ("hit", "a", "view", 11), ("late", "a", "view", 13), ("before", "a", "view", 9), ("other", "z", "view", 11),
        ("left", None, "cancel", 12), ("listed", "a", "list_add", 11), ("open", "a", "view", 30),
        ("clock", "q", "view", 31),
    ]  # fmt: skip
    events = spark.createDataFrame(
        [(user, title, kind, EPOCH + timedelta(hours=hour)) for user, title, kind, hour in acts], EVENTS
    )
    asked = ["hit", "late", "before", "other", "left", "listed", "nobody"]
    exposures = [Exposure(number, user, 10 * HOUR, ["a", "b"]) for number, user in enumerate(asked)]
    exposures.append(Exposure(99, "open", 30 * HOUR, ["a"]))  # its two hours are not over at the newest event
    found = outcomes(events, exposures, hours=2)
    assert {asked[number]: outcome for number, outcome in found.items()} == {
        "hit": Outcome(True, False), "late": Outcome(False, False), "before": Outcome(False, False),
        "other": Outcome(False, False), "left": Outcome(False, True), "listed": Outcome(False, False),
        "nobody": Outcome(False, False),
    }  # fmt: skip
