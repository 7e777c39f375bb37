"""The console over a speed layer as it runs: a view posted by a button in a real browser changes the answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browser import Watched, browser, serious
from speed_stack import accounted, events, size, speed_config, speed_stack, until

from lambda_arch.clock import DAY, HOUR
from lambda_arch.config import Config
from lambda_arch.models import Models
from lambda_arch.records import decode
from lambda_arch.store import Store
from streaming.produce import Record, produce

pytestmark = [pytest.mark.servers, pytest.mark.spark, pytest.mark.e2e]
PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, small_models: Models) -> Iterator[tuple[Config, Store]]:
    config = speed_config(tmp_path_factory.mktemp("console") / "var", scorers=1).model_copy(update={"clock": "event"})
    with speed_stack(config, ["kafka", "store", "gate", "scorer", "api"], small_models) as store:
        store.advance_clock(small_models.horizon + HOUR)
        # A stack that has just begun takes its time for the first event.
        produce(config.kafka.bootstrap, events(1, 1, small_models.horizon + DAY), None, config.kafka.topics)
        until(lambda: accounted(config, store) > 0)
        yield config, store


def test_a_view_by_a_button_is_kept_by_kafka_and_changes_what_the_page_says(running: tuple[Config, Store]) -> None:
    config, store = running
    with browser() as chromium:
        watched = Watched(chromium.new_page(), f"http://127.0.0.1:{config.serving.port}")
        page = watched.open("viewer/somebody new")
        assert "fallback" in page.inner_text("#answers")
        # The first is the most popular.
        page.click("#answers button.little >> nth=0")
        page.wait_for_selector("#told [data-milliseconds]", timeout=PATIENCE_MS)
        assert int(page.get_attribute("#told [data-milliseconds]", "data-milliseconds") or 0) > 0
        assert "speed says (given)" in page.inner_text("#answers")
        assert watched.complaints == []
        again = page.locator("#answers button.little").count()
        page.click("#answers button.little >> nth=0")
        page.wait_for_selector("#answers >> text=/ 2 events/", timeout=PATIENCE_MS)
        assert page.locator("#answers button.little").count() < again
        page.wait_for_selector("#history tr:has-text('speed') >> nth=1")
        page.wait_for_selector("#pulse .dot.good")
    record = decode(store.redis.hget("la:{u:somebody new}:s", "recommend"))
    assert (record.evidence, record.generation) == (2, 2)


def test_models_and_quarantine_tell_of_the_running_stack(running: tuple[Config, Store]) -> None:
    config, _ = running
    with browser() as chromium:
        watched = Watched(chromium.new_page(), f"http://127.0.0.1:{config.serving.port}")
        assert "Nothing to go back to" in watched.open("models").inner_text("#content")
        assert "Nothing was refused" in watched.open("quarantine").inner_text("#content")
        assert watched.complaints == []


def test_what_is_refused_is_told_by_reason_with_the_record_and_the_way_back(running: tuple[Config, Store]) -> None:
    config, _ = running
    refused = [Record("events", b"x", b"{broken") for _ in range(3)]
    produce(config.kafka.bootstrap, refused, None, config.kafka.topics)
    until(lambda: size(config, config.kafka.topics.quarantine) == len(refused))
    with browser() as chromium:
        page = chromium.new_page(viewport={"width": 360, "height": 740})
        watched = Watched(page, f"http://127.0.0.1:{config.serving.port}")
        watched.open("quarantine")
        page.wait_for_selector("#reasons .barlayer .point")
        told = page.inner_text("#content")
        for text in ("3 records in the topic", "{broken", "lambda-arch quarantine replay --reason not_json"):
            assert text in told
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert serious(page) == []
        assert watched.complaints == []
