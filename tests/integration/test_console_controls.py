"""What can be pressed and drawn on the console, in a real browser over a store with something for every page."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from browser import Watched, browser
from filled_store import fill
from playwright.sync_api import Browser, Page
from served import served
from store_server import StoreServer, free_port

from lambda_arch.config import load_config
from lambda_arch.fidelity import METRICS
from lambda_arch.keys import EXPERIMENTS_KEY
from lambda_arch.models import Models
from lambda_arch.store import Store

pytestmark = pytest.mark.servers
EXPERIMENTS = [
    {"name": "newest-first", "use_case": "recommend", "share": 0.2,
     "arms": {"control": {"weight": 1}, "newest": {"weight": 3, "policy": {"rule": "newest"}}}},
    {"name": "quiet", "use_case": "churn", "shadow": True,
     "arms": {"control": {"weight": 1}, "speed": {"weight": 1, "policy": {"rule": "speed_first"}}}},
]  # fmt: skip
TALLY = {"users": 420, "hits": 50, "share": 0.12, "low": 0.09, "high": 0.155}
REPORT = {
    "experiment": "newest-first", "outcome": "a title watched", "hours": 24, "against": "control",
    "arms": {"control": TALLY, "newest": {**TALLY, "users": 431, "share": 0.15}},
    "comparisons": {"newest": {"difference": 0.03, "low": -0.02, "high": 0.08, "p_value": 0.31}},
}  # fmt: skip


@pytest.fixture(scope="module")
def store(server: StoreServer, small_models: Models) -> Iterator[Store]:
    store = Store(server.url, 1)
    fill(store, small_models)
    store.put_told(EXPERIMENTS_KEY, json.dumps([REPORT]).encode())
    yield store
    store.redis.close()


@pytest.fixture(scope="module")
def base(store: Store) -> Iterator[str]:
    port = store.redis.connection_pool.connection_kwargs["port"]
    config = load_config({
        "LAMBDA_ARCH__STORE__URL": f"redis://127.0.0.1:{port}/0", "LAMBDA_ARCH__CLOCK": "event",
        "LAMBDA_ARCH__SERVING__EXPERIMENTS": json.dumps(EXPERIMENTS),
    })  # fmt: skip
    with served(config) as client:
        yield str(client.base_url).rstrip("/")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture
def watched(chromium: Browser, base: str) -> Iterator[Watched]:
    """A page of the console, on which nothing may be complained of."""
    page = chromium.new_page()
    watched = Watched(page, base)
    yield watched
    page.close()
    assert watched.complaints == []


def cells(page: Page, table: str) -> list[list[str]]:
    """The texts of a table's rows, by its label."""
    rows = page.locator(f"[aria-label='{table}'] tbody tr").all()
    return [[cell.strip() for cell in row.locator("td").all_inner_texts()] for row in rows]


def test_an_experiment_is_told_with_its_arms_and_the_difference_at_any_look(watched: Watched) -> None:
    page = watched.open("experiments")
    assert "recommend, 20.0 % of those asked about" in page.inner_text("#content")
    assert cells(page, "Arms of newest-first") == [
        ["control", "what everybody gets", "1"], ["newest", "rule: newest", "3"],
    ]  # fmt: skip
    assert cells(page, "Report of newest-first") == [
        ["control", "420", "12.0 %", "9.0 % to 15.5 %", "", ""],
        ["newest", "431", "15.0 %", "9.0 % to 15.5 %", "-2.0 % to 8.0 %", "0.31"],
    ]
    assert "in the shadow: logged, not shown" in page.inner_text("#content")


def test_fidelity_is_drawn_by_lag_with_what_was_measured(watched: Watched) -> None:
    page = watched.open("models")
    for use_case in ("churn", "recommend"):
        drawn = page.locator(f"section:has(#fidelity-{use_case})")
        assert METRICS[use_case] in drawn.inner_text()  # type: ignore[index]
        assert drawn.locator(".heatmaplayer .hm").count() == 1
    text = page.text_content("#fidelity-churn") or ""
    assert "-0.5 ± 0.0199 cases" in text
    assert "lag 2-4" in text


def test_the_share_of_positive_posts_is_drawn_over_the_posts_not_behind_them(watched: Watched) -> None:
    page = watched.open("sentiment/a")
    page.wait_for_selector("#series .barlayer .trace")
    above = page.locator("#series .overplot .xy2")
    assert (above.locator(".scatterlayer .trace").count(), above.locator(".barlayer .trace").count()) == (2, 0)


def test_a_post_whose_words_nobody_knows_is_told_so(watched: Watched) -> None:
    page = watched.open("sentiment/a")
    page.fill("#text", "nichts davon")
    page.click("text=Weigh it")
    page.wait_for_selector("text=The model knows none of these words.")
    page.fill("#text", "bad")
    page.click("text=Weigh it")
    page.wait_for_selector("#words:has-text('bad -')")


def test_the_slider_moves_by_keys_and_what_is_downloaded_is_whom_it_means(watched: Watched) -> None:
    page = watched.open("churn")
    page.focus("#cutoff")
    page.keyboard.press("End")
    page.wait_for_selector("a[href$='cutoff=1']")
    assert cells(page, "Viewers at risk") == []
    page.keyboard.press("Home")
    page.wait_for_selector("a[href$='cutoff=0']")
    page.wait_for_selector("#at-risk td")
    with page.expect_download() as started:
        page.click("text=Download all as CSV")
    told = started.value.path().read_text("utf-8").splitlines()
    asked = httpx.get(f"{watched.base}/v1/churn/at-risk?format=csv&cutoff=0").text.splitlines()
    assert (len(told), sorted(told)) == (101, sorted(asked))  # a head and a hundred users
    assert cells(page, "Viewers at risk")[0] == ["user-000", "90.0 %", "batch", "2016-01-01 23:00"]


def test_members_go_out_as_lines_too(watched: Watched) -> None:
    page = watched.open("segments")
    with page.expect_download() as started:
        page.click("tr:has-text('casual') >> text=JSONL")
    assert '"user_id":"user-007"' in started.value.path().read_text("utf-8")
    assert page.locator("#sizes .barlayer .point").count() == 3


def test_a_store_that_is_away_is_told_within_a_phone_s_width(chromium: Browser) -> None:
    with served(load_config({"LAMBDA_ARCH__STORE__URL": f"redis://127.0.0.1:{free_port()}/0"})) as client:
        page = chromium.new_page(viewport={"width": 360, "height": 740})
        Watched(page, str(client.base_url).rstrip("/")).open("now")
        page.wait_for_selector("#pulse:has(.dot.bad):has-text('does not answer')")
        page.wait_for_selector("#store-1:has-text('away')")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.close()


def test_the_generation_before_serves_again_after_a_button_is_pressed_twice(watched: Watched, store: Store) -> None:
    page = watched.open("models")
    assert [row[:2] for row in cells(page, "Generations")] == [["2", "current"], ["1", "previous"]]
    page.click("#rollback:has-text('Back to generation 1')")
    page.wait_for_selector("#rollback:has-text('Press again')")
    assert store.generations().current == 2
    page.click("#rollback")
    page.wait_for_selector("text=generation 1 serves")
    assert store.generations().current == 1
    page.wait_for_selector("#rollback:disabled")
    assert [row[:2] for row in cells(page, "Generations")] == [["2", "withdrawn"], ["1", "current"]]
