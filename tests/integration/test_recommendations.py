"""Recommendations by parameters and rules, over HTTP, of what night and stream really wrote into a real store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
from served import served, wait_for
from store_server import StoreServer
from typer.testing import CliRunner, Result

from jobs.cli import app as console
from lambda_arch.clock import DAY, HOUR, rfc3339
from lambda_arch.config import Config, ConfigError, load_config
from lambda_arch.experiments import Arm, Experiment
from lambda_arch.fidelity import FidelityTable, Measure
from lambda_arch.models import Models, SegmentModel, SentimentModel, Title
from lambda_arch.predictions import Scoring, predict_user
from lambda_arch.recommend_model import FoldIn, RecommendModel
from lambda_arch.records import encode
from lambda_arch.scoring import top_titles
from lambda_arch.store import Store
from lambda_arch.tiles import MILLION, Event, Profile, Seen, merge_profiles, profile_of, unit_tile
from serving.app import create_app
from serving.explained import SimilarReply, TitleExplanation, UserExplanation
from serving.replies import SessionReply
from streaming.apply import Applier

pytestmark = pytest.mark.servers
HORIZON, TITLES, RANK = 20_000 * DAY, 300, 6
# One title in fifty is a Western: a stored list of fifty may have none.
GENRES = ("Drama", "Comedy", "Horror")
RULES = """
ratings: {scale: {G: 0, R: 17}, unrated: 12, genres: {Horror: 16, Western: G}, titles: {t001: R}}
availability:
  - {titles: [t003, t004], countries: [DE]}
  - {titles: [t005], until: 2020-01-01T00:00:00Z}
placements:
  kids: {max_rating: 12}
  drama: {include: [{genres: [Drama]}], exclude: [{years: [1990, 1999]}]}
  front: {pin: [{title: t200, at: 2}], boost: [{genres: [Western], by: 50}]}
  varied: {repeats: {genre: 1, within: 2}}
  diverse: {diversity: 0.9}
  germany: {country: DE}
"""


def genres(row: int) -> tuple[str, ...]:
    return ("Western",) if row % 50 == 49 else (GENRES[row % 3],)


def title(row: int) -> str:
    return f"t{row:03}"


@pytest.fixture(scope="module")
def models() -> Models:
    """Generation 1: 300 titles at random, two segments, two titles of the catalogue that the model does not know."""
    rng = np.random.default_rng(6)
    names = [title(row) for row in range(TITLES)]
    catalogue = {name: Title(name.upper(), 1990 + row % 30, genres(row)) for row, name in enumerate(names)}
    return Models(
        generation=1, horizon=HORIZON,
        catalogue=catalogue | {name: Title(name, 2020, ("Opera",)) for name in ("unseen1", "unseen2")},
        recommend=RecommendModel(
            name="als", version=1, titles=names, factors=rng.normal(size=(TITLES, RANK)).astype(np.float32),
            fold_in=FoldIn(1.0, 10.0, 0.1, 3.0, 5.0, 50.0, 2.0, 5.0), popular=list(range(20)),
            recent=rng.uniform(size=TITLES).astype(np.float32),
            near=(np.arange(TITLES)[:, None] + [1, 2]).astype(np.int32) % TITLES,
        ),
        segment=SegmentModel(
            name="kmeans", version=1, features=["titles"], mean=np.zeros(1), scale=np.ones(1), uses=[],
            centres=np.array([[1.0], [4.0]]), numbers=[0, 1], names=["few", "many"], sizes=[9, 3],
            popular=[["t007", "t008"], ["t009"]],
        ),
        sentiment=SentimentModel(
            name="bayes", version=1, vocabulary=["good", "bad"], weights=np.array([[0.0, 1.0], [1.0, 0.0]]),
            prior=np.zeros(2), classes=["negative", "positive"], shares=[0.4, 0.6],
        ),
    )  # fmt: skip


def watched(row: int, number: int, time: int, user: str = "viewer") -> Event:
    return Event(
        topic="events", partition=0, offset=number, event_id=str(number), id_hash=number, event_type="view",
        user_id=user, event_time=time, title_id=title(row), watched=MILLION, strength=MILLION,
    )  # fmt: skip


BEFORE, SINCE = list(range(0, 300, 2)), [1, 3]
OLD = [watched(row, number, HORIZON - DAY + number) for number, row in enumerate(BEFORE)]


@pytest.fixture(scope="module")
def night(models: Models) -> Profile:
    """What the night knows of the viewer: every second title, the last hundred and fifty."""
    tiles = [unit_tile(event, models.genres) for event in OLD]
    profiles = [profile_of({event.event_time // DAY: tile}, 2000) for event, tile in zip(OLD, tiles, strict=True)]
    whole = profiles[0]
    for one in profiles[1:]:
        whole = merge_profiles(whole, one, 2000)
    return whole


@pytest.fixture(scope="module")
def store(server: StoreServer, models: Models, night: Profile) -> Iterator[Store]:
    """The night's generation, and two views of the viewer since."""
    store = Store(server.url, 1)
    scoring = Scoring(models, "batch", HORIZON, HORIZON, 50)
    records = predict_user("viewer", night, scoring)
    fields = {record.use_case: encode(record) for record in records}
    store.publish(1, [("u:viewer", {"profile": msgspec.msgpack.encode(night), **fields})])
    better = {"batch": {"2-4": Measure(0.9, 0.01, 99)}, "speed": {"2-4": Measure(0.1, 0.01, 99)}}
    store.put_models(models, FidelityTable(1, {"recommend": better}))
    store.flip(1, HORIZON)
    applier = Applier(store, 2000, 50)
    applier.apply_records([watched(row, 1000 + row, HORIZON + HOUR + row) for row in SINCE])
    applier.apply_records([watched(3, 2000, HORIZON + HOUR, "newcomer")])
    yield store
    store.redis.close()


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rules") / "rules.yaml"
    path.write_text(RULES)
    return path


@pytest.fixture(scope="module")
def config(server: StoreServer, store: Store) -> Config:
    return load_config({"LAMBDA_ARCH__STORE__URL": server.url, "LAMBDA_ARCH__CLOCK": "event"})


def under(config: Config, rules: Path) -> Config:
    return config.model_copy(update={"serving": config.serving.model_copy(update={"rules": rules})})


@pytest.fixture(scope="module")
def client(config: Config, rules: Path) -> Iterator[httpx.Client]:
    with served(under(config, rules)) as client:
        yield client


def ok(client: httpx.Client, path: str) -> Any:
    reply = client.get(path)
    assert reply.status_code == 200, reply.text
    return reply.json()


def ids(reply: Any) -> list[str]:
    return [item["title_id"] for item in reply["value"]["items"]]


def asked(client: httpx.Client, parameters: str, user: str = "viewer") -> list[str]:
    return ids(ok(client, f"/v1/users/{user}/recommendations?{parameters}"))


def ranking(models: Models, night: Profile) -> list[str]:
    """The night's list to its end, without what was seen since and the title whose window is closed."""
    assert models.recommend
    best = top_titles(models.recommend, night.lifetime.history, TITLES)
    return [name for name, _ in best if name not in {title(row) for row in (*SINCE, 5)}]


def test_what_was_seen_since_the_night_is_not_in_the_night_s_list(
    client: httpx.Client, models: Models, night: Profile
) -> None:
    reply = ok(client, "/v1/users/viewer/recommendations?n=60")
    assert (reply["layer"], reply["decision"]["rule"]) == ("batch", "fidelity")
    assert ids(reply) == ranking(models, night)[:60]
    assert asked(client, "n=3") == ranking(models, night)[:3]


def test_a_rare_genre_is_searched_for_beyond_the_stored_list(
    client: httpx.Client, models: Models, night: Profile
) -> None:
    westerns = [name for name in ranking(models, night) if "Western" in models.genres(name)]
    assert len(westerns) == 6
    assert asked(client, "n=5&genre=western") == westerns[:5]
    assert asked(client, "n=20&genre=Western&genre=Opera") == [*westerns, "unseen1", "unseen2"]


def test_pages_are_parts_of_one_list(client: httpx.Client, models: Models, night: Profile) -> None:
    for more in ("", "&diversity=0.4", "&placement=varied", "&placement=front"):
        whole = asked(client, f"n=60{more}")
        assert [*asked(client, f"n=25{more}"), *asked(client, f"n=35&offset=25{more}")] == whole
    assert asked(client, "n=100&offset=1000") == []


def test_include_and_exclude(client: httpx.Client, models: Models, night: Profile) -> None:
    best = ranking(models, night)
    assert asked(client, f"n=2&exclude={best[0]}&exclude={best[2]}") == [best[1], best[3]]
    assert asked(client, f"include={best[99]}&include={best[7]}&include=nowhere&include=t002") == [best[7], best[99]]


def test_what_was_seen_may_be_asked_for(client: httpx.Client, models: Models, night: Profile) -> None:
    again = asked(client, "n=100&seen=true")
    assert {title(row) for row in (*BEFORE, *SINCE)} & set(again)
    assert asked(client, "n=100&offset=100") == [*ranking(models, night)[100:200], "unseen1", "unseen2"]


def test_the_stricter_age_counts(client: httpx.Client, models: Models) -> None:
    horror = {name for name in models.catalogue if "Horror" in models.genres(name)}
    assert horror & set(asked(client, "n=100"))
    for parameters in ("max_rating=15", "max_rating=15&placement=kids", "max_rating=R&placement=kids"):
        assert not horror & set(asked(client, f"n=100&{parameters}"))
    assert asked(client, "n=100&max_rating=G") == asked(client, "n=100&genre=western")


def test_what_each_rule_took_out_of_a_layer_s_list_is_counted(config: Config, rules: Path, models: Models) -> None:
    older = {name for name in models.catalogue if "Horror" in models.genres(name)} | {"t001"}
    with served(under(config, rules)) as client:
        [*stored] = ok(client, "/v1/users/viewer/layers")["use_cases"]["recommend"]["batch"]["value"]["titles"]
        asked(client, "max_rating=15&genre=western")
        asked(client, "n=1")
        told = client.get("/metrics").text
    counts = {
        "max_rating": len(older & set(stored)), "seen": 2 * len({title(row) for row in SINCE} & set(stored)),
        "availability": 2 * len({"t003", "t004", "t005"} & set(stored)),
        "asked": sum("Western" not in models.genres(name) for name in stored),
    }  # fmt: skip
    assert min(counts["max_rating"], counts["asked"]) > 0
    for rule, count in counts.items():
        assert (f'lambda_arch_removed_titles_total{{rule="{rule}"}} {count}.0' in told) == (count > 0)


def test_a_title_with_windows_is_shown_in_them_alone(client: httpx.Client) -> None:
    both = "seen=true&include=t003&include=t004&include=t005&include=t006"
    assert set(asked(client, both)) == {"t006"}
    assert set(asked(client, f"{both}&country=FR")) == {"t006"}
    for germany in ("country=DE", "placement=germany"):
        assert set(asked(client, f"{both}&{germany}")) == {"t003", "t004", "t006"}


def test_a_placement_includes_excludes_pins_and_boosts(client: httpx.Client, models: Models) -> None:
    drama = asked(client, "n=100&placement=drama")
    assert drama
    assert all("Drama" in models.genres(name) for name in drama)
    assert all((models.catalogue[name].year or 0) > 1999 for name in drama)
    front = asked(client, "n=4&placement=front&seen=true")
    assert front[1] == "t200"
    assert all("Western" in models.genres(name) for name in (front[0], front[2], front[3]))
    assert "t200" not in asked(client, "n=9&placement=front")  # it was seen: a pin never overrides a filter


def test_an_explanation_has_the_place_after_each_step_and_the_boost(client: httpx.Client) -> None:
    reply = ok(client, "/v1/users/viewer/recommendations?n=4&placement=front&seen=true&explain=true")
    first, pinned, third, _ = [item["why"] for item in reply["value"]["items"]]
    assert (first["places"], first["boost"]) == ({"ranked": 1, "pin": 1}, 50)
    assert (third["places"], third["boost"]) == ({"ranked": 2, "pin": 3}, 50)
    assert (pinned["source"], pinned["places"], pinned["boost"]) == ("pinned", {"ranked": None, "pin": 2}, 1)


def test_of_two_neighbours_no_two_share_a_genre(client: httpx.Client, models: Models) -> None:
    found = [models.genres(name) for name in asked(client, "n=30&placement=varied")]
    assert all(left != right for left, right in pairwise(found))


def test_diversity_makes_neighbours_less_alike(client: httpx.Client, models: Models, night: Profile) -> None:
    def likeness(names: list[str]) -> float:
        assert models.recommend
        vectors = models.recommend.factors[[models.recommend.row[name] for name in names]].astype(np.float64)
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return float((unit @ unit.T).mean())

    plain, some, most = (asked(client, f"diversity={share}") for share in (0, 0.5, 1))
    assert plain == ranking(models, night)[:10]
    assert likeness(plain) > likeness(some) > likeness(most)
    assert asked(client, "placement=diverse") == asked(client, "diversity=0.9")


def test_who_is_unknown_gets_what_is_popular_under_the_same_rules(client: httpx.Client) -> None:
    reply = ok(client, "/v1/users/nobody/recommendations?n=4&exclude=t000&explain=true")
    assert (ids(reply), reply["layer"]) == (["t001", "t002", "t006", "t007"], "fallback")
    assert {item["why"]["source"] for item in reply["value"]["items"]} == {"popular"}
    assert asked(client, "genre=opera", "nobody") == ["unseen1", "unseen2"]


def test_somebody_of_whom_the_stream_alone_knows(client: httpx.Client, models: Models) -> None:
    assert models.recommend
    best = [name for name, _ in top_titles(models.recommend, [Seen(0, 0, "t003", MILLION)], TITLES)]
    westerns = [name for name in best if "Western" in models.genres(name)]
    assert asked(client, "genre=western", "newcomer") == westerns


def test_an_explanation_adds_up_to_the_score_and_names_what_was_removed(client: httpx.Client, models: Models) -> None:
    reply = ok(client, "/v1/users/newcomer/recommendations?n=5&explain=true&exclude=t002&placement=kids")
    for item in reply["value"]["items"]:
        why = item["why"]
        assert why["source"] == "speed"
        assert [one["title_id"] for one in why["because"]] == ["t003"]
        assert why["because"][0]["contribution"] + why["popularity"] == pytest.approx(item["score"], abs=2e-6)
    explanation = reply["value"]["explanation"]
    assert (explanation["placement"], explanation["rules"]) == ("kids", 1)
    removed = {one["rule"]: one for one in explanation["removed"]}
    assert removed["asked: exclude"]["titles"] == 1
    assert removed["seen"]["titles"] == 1
    assert removed["max_rating 12"]["titles"] == 1 + sum("Horror" in models.genres(name) for name in models.catalogue)
    assert all("Horror" in models.genres(one["title_id"]) for one in removed["max_rating 12"]["of_the_best"])


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ("placement=nowhere", "there is no 'nowhere' in the rules; there are: kids, drama"),
        ("max_rating=PG", "unknown rating 'PG'"),
        ("country=de", "country"),
        ("diversity=2", "diversity"),
        ("genres=Drama", "genres"),
        ("offset=-1", "offset"),
        ("seen=perhaps", "seen"),
    ],
)
def test_what_there_is_not_is_a_422_that_says_so(client: httpx.Client, parameters: str, named: str) -> None:
    reply = client.get(f"/v1/users/viewer/recommendations?{parameters}")
    assert (reply.status_code, named in reply.json()["detail"]) == (422, True), reply.text


def session(client: httpx.Client, **body: Any) -> Any:
    reply = client.post("/v1/sessions/recommendations", json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_a_session_is_folded_in_by_the_very_functions_of_the_layers(client: httpx.Client, models: Models) -> None:
    assert models.recommend
    strengths = {"t010": 1.0, "t020": 0.25, "strange": 1.0}
    history = [Seen(0, 0, name, round(strength * MILLION)) for name, strength in strengths.items()]
    expected = [one for one in top_titles(models.recommend, history, 21) if one[0] != "t005"][:20]
    titles = ["t010", {"title_id": "t020", "strength": 0.25}, "strange", "t010"]
    reply = session(client, titles=titles, n=20)
    assert [(item["title_id"], item["score"]) for item in reply["value"]["items"]] == expected
    assert (reply["known"], reply["model"], reply["generation"]) == (2, "als", 1)
    assert SessionReply.model_validate(reply)


def test_a_session_keeps_the_rules_and_explains(client: httpx.Client, models: Models) -> None:
    reply = session(client, titles=["t010"], genre=["western"], placement="kids", explain=True, n=3)
    assert all("Western" in models.genres(name) for name in ids(reply))
    assert {item["why"]["source"] for item in reply["value"]["items"]} == {"computed"}
    assert reply["value"]["items"][0]["why"]["because"][0]["title_id"] == "t010"


Chosen = Callable[[list[str]], list[str]]
CLOSED = ["t003", "t004", "t006"]  # the first two are shown in Germany alone
# What is asked, and what becomes of the list that is given without it; drama and Germany are placements of RULES.
NARROWED: list[Any] = [
    pytest.param({"offset": 3, "n": 4}, lambda best: best[3:7], id="a further page"),
    pytest.param({"exclude": ["t012", "t014"]}, lambda best: without(best, {"t012", "t014"}), id="not these"),
    pytest.param({"include": ["t012", "t014"]}, lambda best: among(best, {"t012", "t014"}), id="these alone"),
    pytest.param({"genre": ["comedy", "Western"]}, lambda best: of_genres(best, "Comedy", "Western"), id="genres"),
    pytest.param({"max_rating": "G"}, lambda best: of_genres(best, "Western"), id="for an age"),
    pytest.param({"include": CLOSED}, lambda best: ["t006"], id="where the country is not told"),
    pytest.param({"placement": "drama"}, lambda best: [name for name in of_genres(best, "Drama")
                                                       if int(name[1:]) % 30 >= 10], id="by a placement's rules"),
]  # fmt: skip


def without(best: list[str], left_out: set[str]) -> list[str]:
    return [name for name in best if name not in left_out]


def among(best: list[str], chosen: set[str]) -> list[str]:
    return [name for name in best if name in chosen]


def of_genres(best: list[str], *wanted: str) -> list[str]:
    return [name for name in best if name[0] == "t" and set(genres(int(name[1:]))) & set(wanted)]


def ended(found: list[str], wish: dict[str, Any]) -> list[str]:
    """Without the titles that no list is needed for: those of the catalogue alone, of another genre than all others."""
    return [name for name in found if not name.startswith("unseen")][: wish.get("n", 100)]


@pytest.mark.parametrize(("wish", "chosen"), NARROWED)
def test_a_session_is_narrowed_by_each_parameter(client: httpx.Client, wish: dict[str, Any], chosen: Chosen) -> None:
    whole = [*ids(session(client, titles=["t010"], n=100)), *ids(session(client, titles=["t010"], n=100, offset=100)),
             *ids(session(client, titles=["t010"], n=100, offset=200))]  # fmt: skip
    found = ids(session(client, titles=["t010"], **{"n": 100, **wish}))
    assert ended(found, wish) == chosen(whole)[: wish.get("n", 100)]
    assert found


def test_a_session_may_see_again_look_for_variety_and_say_where_it_is(client: httpx.Client) -> None:
    plain = ids(session(client, titles=["t010"]))
    assert ids(session(client, titles=["t010"], include=["t010"])) == []
    assert ids(session(client, titles=["t010"], include=["t010"], seen=True)) == ["t010"]
    assert set(ids(session(client, titles=["t010"], include=CLOSED, country="DE"))) == set(CLOSED)
    assert ids(session(client, titles=["t010"], diversity=0)) == plain
    assert ids(session(client, titles=["t010"], diversity=1)) != plain


@pytest.mark.parametrize("titles", [["t010", "t020", "t010"], ["strange"], ["x" * 128], []])
def test_a_plain_session_is_told_what_one_with_parameters_is(client: httpx.Client, titles: list[str]) -> None:
    assert session(client, titles=titles) == session(client, titles=titles, n=10)


@pytest.mark.parametrize("titles", [[], ["strange"]], ids=["nothing", "what nobody knows"])
def test_a_session_of_nothing_known_gets_what_is_popular(client: httpx.Client, titles: list[str]) -> None:
    reply = session(client, titles=titles, n=3)
    assert (ids(reply), reply["known"]) == (["t000", "t001", "t002"], 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"titles": "t1"}',
        b'{"titles": [""]}',
        b'{"titles": ["%s"]}' % (b"x" * 129),
        b'{"titles": ["a"' + b', "a"' * 2000 + b"]}",
        b'{"titles": [{"title_id": "a", "strength": 0}]}',
        b'{"titles": [{"title_id": "a", "strength": 1e999}]}',
        b'{"titles": [], "n": 0}',
        b'{"titles": [], "user": 1}',
        b'{"titles": [], "placement": "nowhere"}',
    ],
)
def test_a_session_that_is_none_is_a_422(client: httpx.Client, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    reply = client.post("/v1/sessions/recommendations", content=body, headers=headers)
    assert (reply.status_code, reply.headers["content-type"]) == (422, "application/problem+json"), reply.text


def test_titles_like_one_are_those_of_the_greatest_cosine(client: httpx.Client, models: Models) -> None:
    assert models.recommend
    factors = models.recommend.factors.astype(np.float64)
    unit = factors / np.linalg.norm(factors, axis=1, keepdims=True)
    order = [title(row) for row in np.argsort(-(unit @ unit[10])) if row not in (3, 4, 5, 10)]
    reply = ok(client, "/v1/titles/t010/similar?n=5")
    assert ([item["title_id"] for item in reply["items"]], reply["basis"]) == (order[:5], "taste")
    assert [one["title_id"] for one in reply["watched_too"]] == ["t011", "t012"]
    fewer = ok(client, "/v1/titles/t010/similar?exclude=t011")["watched_too"]
    assert [one["title_id"] for one in fewer] == ["t012"]
    assert SimilarReply.model_validate(reply)
    westerns = [item["title_id"] for item in ok(client, "/v1/titles/t010/similar?n=3&genre=Western")["items"]]
    assert westerns == [name for name in order if "Western" in models.genres(name)][:3]


def like(client: httpx.Client, **wish: Any) -> list[str]:
    reply = client.get("/v1/titles/t010/similar", params={"n": 100, **wish})
    assert reply.status_code == 200, reply.text
    return [item["title_id"] for item in reply.json()["items"]]


@pytest.mark.parametrize(("wish", "chosen"), NARROWED)
def test_titles_like_one_are_narrowed_by_each_parameter(
    client: httpx.Client, wish: dict[str, Any], chosen: Chosen
) -> None:
    whole = [*like(client), *like(client, offset=100), *like(client, offset=200)]
    assert like(client, **wish) == chosen(whole)[: wish.get("n", 100)] != []
    assert set(like(client, include=CLOSED, country="DE")) == set(CLOSED)


def test_of_a_title_without_factors_content_tells_and_of_one_unknown_what_is_popular(client: httpx.Client) -> None:
    content, popular = (ok(client, f"/v1/titles/{name}/similar?n=2") for name in ("unseen1", "nowhere"))
    assert content["items"] == [{"title_id": "unseen2", "name": "unseen2", "likeness": 1.0}]
    assert (content["basis"], popular["basis"]) == ("content", "popular")
    assert [item["title_id"] for item in popular["items"]] == ["t000", "t001"]


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/v1/titles/t010/similar", "private, max-age=60"),
        ("/v1/users/viewer/recommendations", "private, no-cache"),
        ("/v1/users/viewer/recommendations?n=5", "private, no-cache"),
    ],
)
def test_what_the_caller_still_has_is_not_sent_again(client: httpx.Client, path: str, kept: str) -> None:
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert first.headers["cache-control"] == again.headers["cache-control"] == kept
    assert client.get(path, headers={"If-None-Match": 'W/"other"'}).content == first.content


def test_an_explanation_has_both_layers_and_what_each_answer_is_made_of(client: httpx.Client, models: Models) -> None:
    reply = ok(client, "/v1/users/viewer/explain?n=3&text=good")
    assert UserExplanation.model_validate(reply)
    recommend = reply["use_cases"]["recommend"]
    assert (recommend["batch"]["evidence"], recommend["speed"]["evidence"]) == (150, 152)
    assert recommend["answer"]["decision"]["batch_fidelity"]["value"] == 0.9
    assert reply["ages"]["recommend"] == {
        "batch": 3600.000003,
        "speed": 0.0,
    }  # since the horizon, since the newest view
    made = reply["made_of"]
    assert (made["recommend"]["history"], len(made["recommend"]["titles"])) == (152, 3)
    newest = [(one["title_id"], one["known_by"]) for one in made["recommend"]["newest"]]
    assert newest[:4] == [(title(3), "speed"), (title(1), "speed"), (title(298), "batch"), (title(296), "batch")]
    assert made["recommend"]["newest"][0]["at"] == rfc3339(HORIZON + HOUR + 3)
    distances = [one["distance"] for one in made["segment"]["distances"]]
    assert distances == sorted(distances)
    assert made["segment"]["distances"][0]["segment"] == recommend_segment(reply)
    assert "churn" not in made
    assert [word["word"] for word in reply["words"]["text"]] == ["good"]


def recommend_segment(reply: Any) -> int:
    number: int = reply["use_cases"]["segment"]["speed"]["value"]["segment"]
    return number


def test_nobody_and_no_title_can_be_explained_too(client: httpx.Client) -> None:
    nobody = ok(client, "/v1/users/nobody/explain")
    assert (nobody["made_of"], nobody["ages"]["churn"]) == ({}, {"batch": None, "speed": None})
    title_reply = ok(client, "/v1/titles/t001/explain")
    assert TitleExplanation.model_validate(title_reply)
    assert [word["word"] for word in title_reply["words"]["strongest"]["positive"]] == ["good", "bad"]
    of_text = ok(client, "/v1/titles/t001/explain?text=so bad")["words"]
    assert ([word["word"] for word in of_text["text"]], of_text["strongest"]) == (["bad"], None)


def test_an_experiment_s_arm_has_its_placement_where_none_is_asked_for(
    config: Config, client: httpx.Client, rules: Path
) -> None:
    arms = {name: Arm(weight=1, placement="drama") for name in ("control", "other")}
    tried = Experiment(name="drama-first", use_case="recommend", arms=arms)
    serving = under(config, rules).serving.model_copy(update={"experiments": (tried,)})
    expected = asked(client, "n=20&placement=drama")
    assert expected != asked(client, "n=20")
    with served(config.model_copy(update={"serving": serving})) as trying:
        assert asked(trying, "n=20") == asked(trying, "n=20&placement=drama") == expected
        assert asked(trying, "n=20&placement=varied") == asked(client, "n=20&placement=varied")


def test_rules_are_read_again_when_they_change_and_a_broken_file_leaves_the_good_ones(
    config: Config, tmp_path: Path
) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("placements: {default: {pin: [{title: t001, at: 1}]}}")
    with served(under(config, path)) as client:
        assert asked(client, "n=1", "nobody") == ["t001"]
        path.write_text("placements: {default: {pin: [{title: t002, at: 1}]}}  # changed")
        wait_for(lambda: asked(client, "n=1", "nobody") == ["t002"])
        explained = ok(client, "/v1/users/nobody/recommendations?n=1&explain=true")["value"]["explanation"]
        assert explained == {"placement": "default", "rules": 2, "removed": []}
        path.write_text("placements: {default: {pins: []}}")
        wait_for(lambda: ok(client, "/ready")["faults"] != [])
        ready = ok(client, "/ready")
        assert ready["status"] == "ready"
        assert "unknown key placements.default.pins" in ready["faults"][0]
        assert str(path) in ready["faults"][0]
        assert "lambda_arch_rules_good 0.0" in client.get("/metrics").text
        assert asked(client, "n=1", "nobody") == ["t002"]
        path.write_text("placements: {}  # whole again")
        wait_for(lambda: ok(client, "/ready")["faults"] == [])
        assert "lambda_arch_rules_good 1.0" in client.get("/metrics").text
        assert asked(client, "n=1", "nobody") == ["t000"]


def test_rules_that_are_broken_to_begin_with_are_refused(config: Config, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"serving\.rules"):
        create_app(under(config, tmp_path / "none.yaml"))


def ask_console(config: Config, rules: Path, *arguments: str) -> Result:
    environment = {
        "LAMBDA_ARCH__STORE__URL": config.store.url, "LAMBDA_ARCH__CLOCK": "event", "COLUMNS": "200",
        "LAMBDA_ARCH__SERVING__RULES": str(rules),
    }  # fmt: skip
    return CliRunner().invoke(console, list(arguments), env=environment)


def test_the_console_gives_what_the_api_gives(client: httpx.Client, config: Config, rules: Path) -> None:
    asked_for = ["--genre", "western", "--n", "3", "--placement", "kids", "--explain"]
    viewer = json.loads(ask_console(config, rules, "recommend", "viewer", *asked_for, "--json").stdout)
    assert viewer == ok(client, "/v1/users/viewer/recommendations?genre=western&n=3&placement=kids&explain=true")
    somebody = ask_console(config, rules, "recommend", "--session", "t010", "--session", "t020", "--json")
    assert json.loads(somebody.stdout) == session(client, titles=["t010", "t020"])
    explained = ask_console(config, rules, "explain", "user", "viewer", "--json")
    assert json.loads(explained.stdout) == ok(client, "/v1/users/viewer/explain")


def test_the_console_shows_reasons_and_names_mistakes(config: Config, rules: Path) -> None:
    shown = ask_console(config, rules, "recommend", "newcomer", "--exclude", "t002", "--explain").stdout
    for text in ("speed", "t003 T003 (", "asked: exclude: removes 1", "only layer"):
        assert text in shown
    about = ask_console(config, rules, "explain", "user", "viewer").stdout
    for text in ("recommend: batch: its measured nDCG", "because of", "segment 1 many: distance"):
        assert text in about
    assert "words that are positive: good" in ask_console(config, rules, "explain", "title", "t001").stdout
    assert ask_console(config, rules, "recommend").exit_code == 2
    wrong = ask_console(config, rules, "recommend", "viewer", "--placement", "nowhere").exception
    assert isinstance(wrong, ConfigError)
