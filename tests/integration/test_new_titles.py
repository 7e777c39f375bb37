"""Titles that come up after the night, against a real store: who saw them is noted once and bounded, and whom they are
offered to, over HTTP, before and after a flip and a rollback."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from in_process import asked
from store_content import views
from store_server import emptied

from lambda_arch import new_titles
from lambda_arch.clock import DAY, HOUR
from lambda_arch.commits import Commit, CommitResult
from lambda_arch.config import Config, load_config
from lambda_arch.fidelity import FidelityTable
from lambda_arch.keys import NEW_TITLES_KEY
from lambda_arch.models import Models, Title
from lambda_arch.new_titles import TITLES, note_views
from lambda_arch.predictions import Scoring, predict_user
from lambda_arch.recommend_model import FoldIn, RecommendModel
from lambda_arch.records import encode
from lambda_arch.store import Store
from lambda_arch.tiles import MILLION, Event, Profile, Seen, merge_profiles, profile_of, unit_tile
from serving.app import create_app
from streaming.apply import Applier

pytestmark = pytest.mark.servers
DATABASE, HORIZON = 12, 20_000 * DAY
RULES = "ratings: {scale: {G: 0, R: 17}, unrated: 12, titles: {premiere: R}}\n"


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty store of the test's own."""
    with emptied(f"{store_url.removesuffix('/0')}/{DATABASE}") as store:
        yield store


def model(*placed: str) -> RecommendModel:
    """Six titles of each of two tastes; what is placed besides has the content of the second."""
    rng = np.random.default_rng(3)
    tastes = np.repeat(np.eye(2), 6, axis=0) + rng.normal(0, 0.05, (12, 2))
    factors = np.concatenate([tastes, np.tile([0.0, 0.2], (len(placed), 1))]).astype(np.float32)
    titles = [f"{taste}{number}" for taste in "ab" for number in range(6)]
    return RecommendModel("als", 1, [*titles, *placed], factors, FoldIn(1.0, 10.0), list(range(12)), placed=len(placed))


def generation(number: int, recommend: RecommendModel, horizon: int = HORIZON) -> Models:
    titles = {title: Title(f"The {title}", 2020, ("drama",)) for title in recommend.titles}
    return Models(generation=number, horizon=horizon, recommend=recommend, catalogue=titles)


def view(number: int, user: str, title: str, time: int) -> Event:
    return Event(
        topic="events", partition=0, offset=number, event_id=str(number), id_hash=number, event_type="view",
        user_id=user, event_time=time, title_id=title, watched=MILLION, strength=MILLION,
    )  # fmt: skip


def profile(*titles: str) -> Profile:
    """What a night knows of somebody who saw the titles, a day before it."""
    whole = Profile()
    for number, title in enumerate(titles):
        event = view(number, "", title, HORIZON - DAY + number)
        whole = merge_profiles(whole, profile_of({event.event_time // DAY: unit_tile(event, lambda _: ())}, 100), 100)
    return whole


def publish(store: Store, models: Models) -> None:
    """A generation in which six viewers are of each taste, each with three titles seen."""
    rng = random.Random(1)
    scoring = Scoring(models, "batch", models.horizon, models.horizon, 20)
    rows = []
    for name in [f"{taste}-{number}" for taste in "ab" for number in range(6)]:
        known = profile(*(f"{name[0]}{row}" for row in rng.sample(range(6), 3)))
        records = {record.use_case: encode(record) for record in predict_user(name, known, scoring)}
        rows.append((f"u:{name}", {"profile": msgspec.msgpack.encode(known), **records}))
    store.publish(models.generation, rows)
    store.put_models(models, FidelityTable(models.generation, {}))
    store.flip(models.generation, models.horizon)


def premiere(users: Sequence[str], title: str = "premiere", first: int = 100) -> list[Event]:
    return [view(first + number, user, title, HORIZON + HOUR + number) for number, user in enumerate(users)]


# -- what is noted ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_any_batches_order_and_replays_note_the_same(store: Store, seed: int) -> None:
    rng = random.Random(seed)
    publish(store, generation(1, model("placed")))
    log = [
        view(number, f"{rng.choice('ab')}-{rng.randrange(6)}", rng.choice(("premiere", "placed", "a0", "b1")), time)
        for number, time in enumerate(HORIZON + rng.randrange(-HOUR, DAY) for _ in range(200))
    ]
    wanted: dict[str, dict[str, int]] = {}
    for event in log:
        if event.event_time >= HORIZON and event.title_id in ("premiere", "placed"):
            seen = wanted.setdefault(event.title_id, {})
            seen[event.user_id] = max(event.event_time, seen.get(event.user_id, 0))
    rng.shuffle(log)
    applier = Applier(store, 100, 5)
    done = 0
    while done < len(log):
        end = done + rng.randrange(1, 30)
        applier.apply_records(log[max(0, done - 20) : end])
        done = end
    assert views(store) == wanted
    applier.apply_records(log)
    assert views(store) == wanted
    newest = {title.decode(): int(time) for title, time in store.redis.zrange(NEW_TITLES_KEY, 0, -1, withscores=True)}
    assert newest == {title: max(seen.values()) for title, seen in wanted.items()}


class Dying(Store):
    """A store whose writer dies in the next commit: before it, or after it and before the acknowledgement."""

    written_first = True

    def commit(self, commits: Sequence[Commit]) -> list[CommitResult]:
        if self.written_first:
            super().commit(commits)
        raise OSError("died")


@pytest.mark.parametrize("written_first", [True, False], ids=["after the commit", "before the commit"])
def test_a_writer_that_dies_around_its_commit_leaves_no_view_out(store: Store, written_first: bool) -> None:
    publish(store, generation(1, model()))
    kwargs = store.redis.connection_pool.connection_kwargs
    dying = Dying(f"redis://{kwargs['host']}:{kwargs['port']}/{DATABASE}", 1)
    dying.written_first = written_first
    log = premiere(["a-0", "b-1"])
    with pytest.raises(OSError, match="died"):
        Applier(dying, 100, 5).apply_records(log)
    Applier(store, 100, 5).apply_records(log)
    assert views(store) == {"premiere": {event.user_id: event.event_time for event in log}}


noted = st.tuples(st.sampled_from("xy"), st.sampled_from("klmnop"), st.integers(0, 9))


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(noted, max_size=20).flatmap(lambda all_: st.tuples(st.just(all_), st.permutations(all_))),
    st.integers(0, 20),
)
def test_whatever_the_order_the_newest_of_each_stay(store: Store, orders: Any, cut: int) -> None:
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(new_titles, "VIEWERS", 3)
        for order in orders:
            store.redis.flushdb()
            for part in (order[:cut], order[cut:], order[:cut]):
                note_views(store, [commit(who, Seen(when, 0, what, 1)) for what, who, when in part])
            found.append(views(store))
    assert found[0] == found[1]
    assert all(len(seen) <= 3 for seen in found[0].values())


def commit(viewer: str, *new: Seen) -> Commit:
    return Commit(f"u:{viewer}", 0, 0, b"", [], new)


def test_titles_without_end_leave_the_newest(store: Store) -> None:
    names = [f"t{number:04}" for number in range(TITLES + 50)]
    note_views(store, [commit("one", *(Seen(number, 0, name, 1) for number, name in enumerate(names)))])
    assert sorted(views(store)) == names[50:]


# -- whom they are offered to ----------------------------------------------------------------------------------


@pytest.fixture
def config(store: Store, tmp_path: Path) -> Config:
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    kwargs = store.redis.connection_pool.connection_kwargs
    url = f"redis://{kwargs['host']}:{kwargs['port']}/{DATABASE}"
    own = {"LAMBDA_ARCH__STORE__URL": url, "LAMBDA_ARCH__CLOCK": "event", "LAMBDA_ARCH__SERVING__RULES": str(rules)}
    return load_config(own)


def offered(config: Config, *users: str, parameters: str = "new=5") -> list[list[dict[str, Any]]]:
    """What each is offered of what is new, by an API that has nothing in memory yet."""
    replies = asked(create_app(config), [f"/v1/users/{user}/recommendations?{parameters}" for user in users])
    assert [reply.status_code for reply in replies] == [200] * len(users), replies[0].text
    return [reply.json()["value"]["new"] for reply in replies]


def names(found: Sequence[Sequence[dict[str, Any]]]) -> list[list[str]]:
    return [[item["title_id"] for item in items] for items in found]


def test_what_those_of_a_taste_saw_is_offered_to_the_others_of_it_and_not_to_those_who_saw_it(
    store: Store, config: Config
) -> None:
    publish(store, generation(1, model()))
    Applier(store, 100, 5).apply_records(premiere([f"a-{number}" for number in range(4)]))
    like, unlike, saw, unknown = offered(config, "a-5", "b-5", "a-0", "nobody")
    assert [(item["title_id"], item["viewers"], item["content"], item["name"]) for item in like] == [
        ("premiere", 4, False, None)
    ]
    assert like[0]["score"] > 0
    assert not any((saw, unknown))
    assert not unlike or unlike[0]["score"] < like[0]["score"] / 10


def test_viewers_move_a_title_that_content_placed_elsewhere(store: Store, config: Config) -> None:
    publish(store, generation(1, model("placed")))
    busy = Applier(store, 100, 5)
    busy.apply_records([view(50, "b-0", "placed", HORIZON + HOUR)])
    first, content = (
        items[0]["score"] if items else 0 for items in offered(config, "a-5", "b-5", parameters="n=1&new=1")
    )
    busy.apply_records(premiere([f"a-{number}" for number in range(5)], "placed"))
    [[moved], *_] = offered(config, "a-5", parameters="n=1&new=1")
    assert (moved["content"], moved["viewers"], moved["name"]) == (True, 6, "The placed")
    assert content > first
    assert moved["score"] > 2 * first


@pytest.mark.parametrize(
    ("parameters", "shown"),
    [
        pytest.param("new=5", ["premiere", "second"], id="all of them"),
        pytest.param("new=1", ["premiere"], id="the best of them"),
        pytest.param("new=5&max_rating=G", [], id="neither is fit for children: what is not rated counts as 12"),
        pytest.param("new=5&max_rating=12", ["second"], id="one is not fit for twelve"),
        pytest.param("new=5&exclude=premiere", ["second"], id="one is not wanted"),
        pytest.param("new=5&genre=drama", [], id="nobody knows their genre"),
    ],
)
def test_rules_and_parameters_hold_for_new_titles_too(
    store: Store, config: Config, parameters: str, shown: list[str]
) -> None:
    publish(store, generation(1, model()))
    viewers = [f"a-{number}" for number in range(5)]
    Applier(store, 100, 5).apply_records([*premiere(viewers), *premiere(viewers[:2], "second", 200)])
    assert names(offered(config, "a-5", parameters=parameters)) == [shown]


def test_who_does_not_ask_gets_what_they_always_got(store: Store, config: Config) -> None:
    publish(store, generation(1, model()))
    before, *_ = asked(create_app(config), ["/v1/users/a-5/recommendations"])
    Applier(store, 100, 5).apply_records(premiere(["a-0", "a-1"]))
    plain, with_new = asked(create_app(config), [f"/v1/users/a-5/recommendations{of}" for of in ("", "?new=3")])
    assert plain.json()["value"] == before.json()["value"]
    assert {name: part for name, part in with_new.json()["value"].items() if name != "new"} == plain.json()["value"]


def test_a_night_that_knows_a_title_ends_its_being_new_and_a_rollback_begins_it_again(
    store: Store, config: Config
) -> None:
    publish(store, generation(1, model()))
    busy = Applier(store, 100, 5)
    busy.apply_records(premiere(["a-0", "a-1", "a-2"]))
    assert names(offered(config, "a-5")) == [["premiere"]]
    knows = model("premiere")
    publish(store, generation(2, msgspec.structs.replace(knows, placed=0), HORIZON + DAY))
    later = [view(300, "a-3", "premiere", HORIZON + DAY + HOUR), view(301, "a-4", "sequel", HORIZON + DAY + HOUR)]
    busy.apply_records(later)
    assert names(offered(config, "a-5")) == [["sequel"]]
    assert "a-3" not in views(store)["premiere"]
    assert store.roll_back(store.generations())
    busy.rescore([f"u:a-{number}" for number in range(6)])
    assert views(store)["premiere"] == {
        event.user_id: event.event_time for event in (*premiere(["a-0", "a-1", "a-2"]), later[0])
    }
    assert sorted(chain.from_iterable(names(offered(config, "a-5")))) == ["premiere", "sequel"]


def test_a_session_is_offered_them_too(store: Store, config: Config) -> None:
    import asyncio

    import httpx

    publish(store, generation(1, model()))
    Applier(store, 100, 5).apply_records(premiere([f"a-{number}" for number in range(4)]))

    async def ask() -> Any:
        app = create_app(config)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://api") as client,
        ):
            return (await client.post("/v1/sessions/recommendations", json={"titles": ["a0", "a1"], "new": 3})).json()

    assert [item["title_id"] for item in asyncio.run(ask())["value"]["new"]] == ["premiere"]
