"""The console in a real browser over a real store: every page drawn, nothing from elsewhere, usable by keyboard."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx
import msgspec
import pytest
import test_members as members
from browser import Watched, browser, serious
from playwright.sync_api import Browser
from served import served
from store_server import StoreServer, emptied
from test_api import FIDELITY, HORIZON, NOW, VALUES, record
from test_members import CURVE

from lambda_arch.agreement import Agreed, Agreement
from lambda_arch.clock import DAY, HOUR
from lambda_arch.commits import Commit
from lambda_arch.config import load_config
from lambda_arch.keys import HIT_RATES_KEY
from lambda_arch.models import Models
from lambda_arch.new_titles import note_views
from lambda_arch.records import USER_USE_CASES, encode
from lambda_arch.scorers import put_query, put_scorer
from lambda_arch.store import Store
from lambda_arch.talked_about import note_trending
from lambda_arch.tiles import MILLION, Profile, Seen, Tile
from serving.pulse import BEAT_SECONDS, Flow, flow_of

pytestmark = pytest.mark.servers
PAGES = ("now", "viewer/42", "segments", "churn", "sentiment/a", "models", "experiments")
SCORER = {
    "per_second": 12.5, "lag": {"0": 3, "1": 4}, "delay_seconds": {"p50": 0.02, "p99": 0.05, "most": 0.07},
    "totals": {"late": 1, "duplicates": 2, "quarantined": 3},
}  # fmt: skip
PACE = {"direction": "rising", "posts": 40, "usual": 10.5, "score": 6.25}
RISING = record("sentiment", "t:b", "speed", value=VALUES["sentiment"] | {"pace": PACE})
HISTORY = (Seen(HORIZON - HOUR, 1, "c", MILLION), Seen(HORIZON - DAY, 2, "d", MILLION))
WATCHED = Profile(lifetime=Tile(counts={"view": 2}, first=HORIZON - DAY, last=HORIZON - HOUR, history=HISTORY))
HIT_RATES = {
    "hours": 24.0, "layers": {"speed": {"hit_rate": 0.125, "standard_error": 0.03, "lists": 80, "users": 40}},
}  # fmt: skip
QUERY = {"query": "speed-events", "per_second": 8.0, "lag": {"events/0": 1}, "counts": {"late": 5, "applied": 9}}


@pytest.fixture(scope="module")
def store(server: StoreServer) -> Iterator[Store]:
    with emptied(server.url) as store:
        yield store


@pytest.fixture(scope="module")
def base(server: StoreServer, store: Store, small_models: Models) -> Iterator[str]:
    """An API over a store with a generation, and a user and a title that both layers know."""
    assert small_models.churn
    churn = msgspec.structs.replace(small_models.churn, curve=CURVE)
    store.put_models(msgspec.structs.replace(small_models, churn=churn), FIDELITY)
    members.publish(store, {"7": {"segment": members.segment_of(1), "churn": members.risk_of(0.9)}})
    store.flip(2, HORIZON)
    store.advance_clock(NOW)
    store.reserve(2, HORIZON)
    store.put_agreement(Agreement(2, 1, {"churn": Agreed(0.875, 0.01, 40, 2), "segment": Agreed(None, None, 0, 1)}))
    store.put_told(HIT_RATES_KEY, json.dumps(HIT_RATES).encode())
    for entity, use_cases in {"u:42": USER_USE_CASES, "t:a": ("sentiment",)}.items():
        fields = {name: encode(record(name, entity, "batch")) for name in use_cases}
        profile = {"profile": msgspec.msgpack.encode(WATCHED)} if entity == "u:42" else {}
        store.publish(2, [(entity, {**fields, **profile})])
        store.commit([Commit(entity, 0, 0, b"", [record(name, entity, "speed") for name in use_cases])])
    store.commit([Commit("t:b", 0, 0, b"", [RISING])])
    store.publish(2, [("u:43", {"profile": msgspec.msgpack.encode(WATCHED)})])
    note_views(store, [Commit("u:43", 0, 0, b"", [], new=(Seen(HORIZON + HOUR, 1, "premiere", MILLION),))])
    note_trending(store, [RISING])
    with served(load_config({"LAMBDA_ARCH__STORE__URL": server.url, "LAMBDA_ARCH__CLOCK": "event"})) as client:
        yield str(client.base_url)


@pytest.fixture
def scorer(base: str, store: Store) -> None:
    """A scorer that told of itself just now, and a second after the last look of anybody."""
    put_scorer(store, "here-1", msgspec.json.encode(SCORER))
    time.sleep(BEAT_SECONDS)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("address", PAGES)
def test_each_page_is_drawn_without_complaint_from_this_server_alone(
    base: str, chromium: Browser, address: str, scheme: str
) -> None:
    watched = Watched(chromium.new_page(color_scheme=scheme), base)  # type: ignore[arg-type]
    page = watched.open(address)
    page.wait_for_selector("h1")
    kept_out = serious(page)
    page.close()
    assert (watched.elsewhere, kept_out) == ([], [])
    assert watched.complaints == []


def test_at_a_phone_s_width_nothing_is_wider_than_the_page(base: str, chromium: Browser) -> None:
    watched = Watched(chromium.new_page(viewport={"width": 360, "height": 740}), base)
    for address in PAGES:
        page = watched.open(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, address
    watched.page.close()


def test_a_viewer_is_looked_up_by_the_keyboard_alone(base: str, chromium: Browser) -> None:
    watched = Watched(chromium.new_page(), base)
    page = watched.open("viewer")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.focus("#viewer-id")
    page.keyboard.type("42")
    page.keyboard.press("Enter")
    page.wait_for_selector("#answers section")
    assert "batch: its measured nDCG@10" in page.inner_text("#answers")
    page.close()


def test_a_viewer_nobody_knows_is_told_what_is_popular_and_why(base: str, chromium: Browser) -> None:
    watched = Watched(chromium.new_page(), base)
    page = watched.open("viewer/nobody%2Fat all")
    page.click("text=Why these?")
    page.wait_for_selector("text=Nobody knows this viewer yet")
    assert "fallback" in page.inner_text("#answers")
    assert watched.complaints == []
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_titles_that_came_up_since_the_night_are_beside_the_list_as_many_as_are_chosen(
    base: str, chromium: Browser, scheme: str
) -> None:
    watched = Watched(chromium.new_page(color_scheme=scheme), base)  # type: ignore[arg-type]
    page = watched.open("viewer/42")
    page.wait_for_selector("#new-titles li")
    assert page.inner_text("#new-titles").split("\n")[:2] == ["premiere", "of 1 viewer"]
    assert page.get_by_label("premiere: watched this").count() == 1
    assert serious(page) == []
    page.get_by_label("How many new titles").focus()
    page.keyboard.press("ArrowUp")
    page.wait_for_selector("#new-titles li", state="detached")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.wait_for_selector("#new-titles li")
    page.goto(f"{base}/#/viewer/nobody")
    page.wait_for_selector("text=No title that came up since the night")
    assert (page.input_value("#new-count"), watched.complaints) == ("5", [])
    page.close()


def test_what_a_viewer_watched_is_told_and_what_of_it_brought_each_title_up(base: str, chromium: Browser) -> None:
    watched = Watched(chromium.new_page(), base)
    page = watched.open("viewer/42")
    page.wait_for_selector("#history table")
    assert page.locator("#history tbody td:first-child").all_inner_texts() == ["The C", "The D"]
    page.click("text=Why these?")
    page.wait_for_selector("#because table")
    assert ("because of" in page.inner_text("#because").lower(), watched.complaints) == (True, [])
    page.close()


def test_how_the_layers_agree_and_how_often_lists_were_a_hit(base: str, chromium: Browser) -> None:
    watched = Watched(chromium.new_page(), base)
    page = watched.open("models")
    page.wait_for_selector("#agreement .scatterlayer .trace")
    assert page.text_content("#agreement .legend") == "churn"
    page = watched.open("experiments")
    assert "speed\t12.5 % ± 3.0 %\t80\t40" in page.inner_text("#content")
    assert watched.complaints == []
    page.close()


def test_titles_out_of_their_usual_are_told_and_lead_to_their_page(base: str, chromium: Browser) -> None:
    told = httpx.get(f"{base}/v1/trending").json()
    assert [(one["title_id"], one["name"], one["direction"]) for one in told["titles"]] == [("b", "The B", "rising")]
    assert httpx.get(f"{base}/v1/trending?direction=falling").json()["titles"] == []
    assert httpx.get(f"{base}/v1/trending?hours=0.5").json()["titles"] == []
    page = Watched(chromium.new_page(), base).open("sentiment")
    page.click("#trending a:has-text('The B')")
    page.wait_for_selector("h2:has-text('Title b')")
    page.close()


def test_the_slider_tells_what_a_cutoff_gives_and_who_is_to_be_called(base: str, chromium: Browser) -> None:
    page = Watched(chromium.new_page(), base).open("churn")
    page.wait_for_selector("#at-risk a:has-text('7')")
    page.fill("#cutoff", "0.6")
    page.dispatch_event("#cutoff", "change")
    assert "80.0 %" in page.inner_text("#chosen")
    page.wait_for_selector("a[href$='cutoff=0.6']")
    page.close()


def test_members_are_downloaded_from_the_page(base: str, chromium: Browser) -> None:
    page = Watched(chromium.new_page(), base).open("segments")
    with page.expect_download() as started:
        page.click("tr:has-text('regular') >> text=CSV")
    assert "7" in started.value.path().read_text("utf-8")
    page.close()


def test_a_post_is_weighed_word_by_word(base: str, chromium: Browser) -> None:
    page = Watched(chromium.new_page(), base).open("sentiment/a")
    page.fill("#text", "good good things, bad <b>things</b>")
    page.click("text=Weigh it")
    page.wait_for_selector("#words .good")
    assert [page.inner_text(f"#words .{kind} >> nth=0").strip() for kind in ("good", "bad")] == ["good", "bad"]
    page.close()


@pytest.mark.usefixtures("scorer")
def test_the_living_picture_tells_of_the_scorer_and_of_the_generation(base: str, chromium: Browser) -> None:
    page = Watched(chromium.new_page(), base).open("now")
    page.wait_for_selector("#kafka-1:has-text('events/s')")
    told = {name: page.text_content(f"#{name}") for name in ("kafka-1", "kafka-2", "speed-1", "lake-1", "store-1")}
    assert told == {
        "kafka-1": "12.5 events/s", "kafka-2": "lag 7 events", "speed-1": "1 scorer", "lake-1": "generation 2",
        "store-1": "there",
    }  # fmt: skip
    page.close()


@pytest.mark.usefixtures("scorer")
def test_the_stream_of_beats_ends_after_as_many_as_asked(base: str) -> None:
    told = httpx.get(f"{base}/v1/live?count=1", timeout=20)
    assert told.headers["content-type"].startswith("text/event-stream")
    event, data = told.text.strip().split("\n")
    beat = json.loads(data.removeprefix("data: "))
    assert (event, beat["reasons"], beat["known"]["generation"], beat["flow"]["lag"]) == ("event: beat", [], 2, 7)


def test_scorers_count_what_flows_and_in_micro_batches_the_queries_do() -> None:
    scorer, query = json.dumps(SCORER).encode(), json.dumps(QUERY).encode()
    gate = json.dumps({**QUERY, "query": "gate-events"}).encode()
    assert flow_of([]) == Flow()
    assert flow_of([scorer, scorer, gate]) == Flow(
        scorers=2, events_per_second=25.0, lag=14, delay_seconds=0.02, late=2, duplicates=4, quarantined=6
    )
    assert flow_of([query]) == Flow(events_per_second=8.0, lag=1, late=5)


def test_a_query_that_tells_nothing_more_is_not_alive(store_url: str) -> None:
    store = Store(store_url, 1)
    put_query(store, "gone", b"{}")
    store.redis.delete("la:query:gone")
    assert b"{}" not in [told for told in store.redis.mget(store.redis.zrange("la:living", 0, -1)) if told]
    store.redis.close()


def test_files_are_compressed_tagged_and_held_to_the_policy(base: str) -> None:
    first = httpx.get(f"{base}/console/plotly.min.js", timeout=20)
    told = [first.headers[name] for name in ("content-encoding", "cache-control", "vary")]
    assert (told, first.status_code) == (["gzip", "no-cache", "Accept-Encoding"], 200)
    again = httpx.get(f"{base}/console/plotly.min.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    policy = httpx.get(f"{base}/").headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "connect-src 'self';" in policy
    for name in ("../app.py", "js/../../app.py", "js/none.js", ""):
        assert httpx.get(f"{base}/console/{name}").status_code == 404
