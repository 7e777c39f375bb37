"""Models that leave give the same answers to evaluators that are not ours."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest
from jpmml_evaluator import Evaluator, make_evaluator
from jpmml_evaluator.py4j import Py4JBackend
from pandas import DataFrame

from batch.exports.export import ExportError, exported
from lambda_arch.clock import parse_rfc3339
from lambda_arch.models import ChurnModel, Models, SegmentModel, SentimentModel
from lambda_arch.recommend_model import FoldIn, RecommendModel
from lambda_arch.scoring import churn_probability, feeling_probabilities, fold_in, nearest_segment, top_titles_many
from lambda_arch.text import tokens
from lambda_arch.tiles import MILLION, Account, Profile, Seen, Tile

pytestmark = pytest.mark.spark  # the PMML engine runs in a JVM
NOW = parse_rfc3339("2016-01-02T00:00:00Z")
TITLES, RANK, PEOPLE = 300, 24, 60
WORDS = ("good", "bad", "not", "dull", "<b>", "bright", "unknown", "won't", "9")
CHANCE = np.random.default_rng(20160101)
MODELS = Models(
    generation=7,
    horizon=NOW,
    recommend=RecommendModel(
        name="als", version=7, titles=[f"t{number}" for number in range(TITLES)], popular=[],
        factors=(0.3 * CHANCE.normal(size=(TITLES, RANK))).astype(np.float32),
        fold_in=FoldIn(0.5, 10.0, 0.1, 3.0, 10.0, 4.0, prior=2.0, fading=5.0),
        recent=CHANCE.uniform(size=TITLES).astype(np.float32),
    ),
    churn=ChurnModel(
        name="logistic_regression", version=7, cutoff=0.4, base_rate=0.3, intercept=-0.7,
        features=["number:tenure", "log:tenure", "is:plan=A & B <\"é\">", "count:view"],
        coefficients=np.array([-0.04, 0.2, 1.1, -0.3]),
    ),
    segment=SegmentModel(
        name="kmeans", version=7, features=["titles", "genre:Drama", "count:view"], mean=np.array([1.5, 0.4, 1.0]),
        scale=np.array([0.7, 0.2, 1.0]), centres=CHANCE.normal(size=(4, 3)), names=["a", "b", "c", "d"],
        numbers=[0, 3, 5, 9], sizes=[1, 2, 3, 4], popular=[[], [], [], []],
    ),
    sentiment=SentimentModel(
        name="naive_bayes", version=7,
        vocabulary=["bad", "bright", "dull", "good", "good bad", "not not_dull", "not_dull"],
        weights=CHANCE.normal(size=(7, 3)), prior=np.array([0.21, 0.1, 0.3]), shares=[0.3, 0.1, 0.6],
        classes=["negative", "neutral", "positive"],
    ),
)  # fmt: skip


SCALED = msgspec.structs.replace(
    MODELS, sentiment=msgspec.structs.replace(MODELS.sentiment, idf=CHANCE.uniform(size=7))
)


def person(number: int) -> Profile:
    """Somebody, with and without an account, views and titles."""
    chance = np.random.default_rng(number)
    seen = tuple(Seen(NOW, place, f"t{place}", MILLION) for place in range(int(chance.integers(0, 9))))
    attributes = {"tenure": str(chance.integers(0, 70)), "plan": chance.choice(['A & B <"é">', "C"])}
    genres = {"Drama": int(chance.integers(0, 9)), "Comedy": 5}
    account = Account(NOW, 1, attributes) if number % 4 else None
    return Profile(Tile({"view": int(chance.integers(0, 40))}, genres=genres, account=account, history=seen))


def post(number: int) -> str:
    chance = np.random.default_rng(number)
    return " ".join(chance.choice(WORDS, size=int(chance.integers(0, 12))))


PROFILES, POSTS = [person(number) for number in range(PEOPLE)], [post(number) for number in range(PEOPLE)]


def run(use_case: str, models: Models = MODELS, **inputs: object) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(exported(models, use_case, "onnx"))
    found: list[np.ndarray] = session.run(None, inputs)
    return found


@pytest.fixture(scope="module")
def java() -> Iterator[Py4JBackend]:
    backend = Py4JBackend()
    yield backend
    backend.gateway.shutdown()


def engine(java: Py4JBackend, use_case: str, models: Models = MODELS) -> Evaluator:
    return make_evaluator(exported(models, use_case, "pmml"), backend=java).verify()


def vectors(model: ChurnModel | SegmentModel) -> np.ndarray:
    return np.array([model.vector(profile, NOW) for profile in PROFILES])


def test_churn_by_onnx() -> None:
    [told] = run("churn", features=vectors(MODELS.churn))
    assert told == pytest.approx([churn_probability(MODELS.churn, who, NOW) for who in PROFILES], abs=1e-9)


def test_segment_by_onnx() -> None:
    segments, distances = run("segment", features=vectors(MODELS.segment))
    ours = [nearest_segment(MODELS.segment, who, NOW) for who in PROFILES]
    assert segments.tolist() == [segment for segment, _ in ours]
    assert len(set(segments.tolist())) > 1
    assert distances == pytest.approx([distance for _, distance in ours], abs=1e-9)


@pytest.mark.parametrize("models", [MODELS, SCALED], ids=["presence", "tf-idf of length 1"])
def test_sentiment_by_onnx(models: Models) -> None:
    said = [tokens(text) for text in POSTS]
    longest = max(len(found) for found in said)
    padded = np.array([found + [""] * (longest - len(found)) for found in said], dtype=object)
    [told] = run("sentiment", models, tokens=padded)
    ours = np.array([feeling_probabilities(models.sentiment, text) for text in POSTS])
    assert told == pytest.approx(ours, abs=1e-9)


@pytest.mark.parametrize("length", [1, 2, 7, RANK, 120, TITLES])
def test_recommend_by_onnx(length: int) -> None:
    chance = np.random.default_rng(length)
    rows = chance.choice(TITLES, length, replace=False)
    strengths = chance.uniform(0.05, 5, length).round(6)
    scores, user = run("recommend", rows=rows, strengths=strengths)
    history = [Seen(0, 0, f"t{row}", round(weight * MILLION)) for row, weight in zip(rows, strengths, strict=True)]
    ours = fold_in(MODELS.recommend, history)
    assert user == pytest.approx(ours, abs=1e-9)
    [listed] = top_titles_many(MODELS.recommend, [history], TITLES)
    assert len(listed) == TITLES - length
    assert [scores[MODELS.recommend.row[title]] for title, _ in listed] == pytest.approx(
        [score for _, score in listed], abs=1e-6
    )


def test_churn_by_pmml(java: Py4JBackend) -> None:
    asked = DataFrame(vectors(MODELS.churn), columns=MODELS.churn.features)
    told = engine(java, "churn").evaluateAll(asked)["probability(1)"]
    assert told.tolist() == pytest.approx([churn_probability(MODELS.churn, who, NOW) for who in PROFILES], abs=1e-9)


def test_segment_by_pmml(java: Py4JBackend) -> None:
    asked = DataFrame(vectors(MODELS.segment), columns=MODELS.segment.features)
    told = engine(java, "segment").evaluateAll(asked)
    ours = [nearest_segment(MODELS.segment, who, NOW) for who in PROFILES]
    assert [int(segment) for segment in told["segment"]] == [segment for segment, _ in ours]
    assert told["distance"].tolist() == pytest.approx([distance for _, distance in ours], abs=1e-9)


@pytest.mark.parametrize("models", [MODELS, SCALED], ids=["presence", "tf-idf of length 1"])
def test_sentiment_by_pmml_where_a_missing_token_is_none(java: Py4JBackend, models: Models) -> None:
    evaluator = engine(java, "sentiment", models)
    for text in POSTS:
        found = evaluator.evaluate(dict.fromkeys(tokens(text), 1.0))
        told = [found[f"probability({name})"] for name in models.sentiment.classes]
        assert told == pytest.approx(feeling_probabilities(models.sentiment, text), abs=1e-9)


def test_arrays_and_all_else_come_back_from_npz() -> None:
    read = np.load(io.BytesIO(exported(MODELS, "recommend", "npz")))
    assert (read["factors"] == MODELS.recommend.factors).all()
    told = json.loads(str(read["model.json"]))
    assert (told["titles"], told["fold_in"]["memory"]) == (MODELS.recommend.titles, 10.0)
    assert (told["generation"], told["horizon"]) == ("7", "2016-01-02T00:00:00.000000Z")


@pytest.mark.parametrize("use_case", ["recommend", "segment", "churn", "sentiment"])
def test_the_file_says_whose_model_it_is_and_what_goes_in(use_case: str) -> None:
    model = onnx.load_from_string(exported(MODELS, use_case, "onnx"))
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert (told["use_case"], told["generation"], told["model_version"]) == (use_case, "7", "7")
    assert [entry.name for entry in model.graph.input] == [part.split(":")[0] for part in told["inputs"].split("; ")][
        : len(model.graph.input)
    ]
    if use_case in ("churn", "segment"):
        assert json.loads(told["features"]) == getattr(MODELS, use_case).features


@pytest.mark.parametrize("form", ["onnx", "pmml", "npz"])
def test_the_same_model_gives_the_same_file(form: str) -> None:
    assert exported(MODELS, "churn", form) == exported(MODELS, "churn", form)


def test_a_format_that_cannot_say_it_is_named_with_those_that_can() -> None:
    with pytest.raises(ExportError, match="recommend cannot be written as pmml: want one of onnx, npz"):
        exported(MODELS, "recommend", "pmml")


def test_a_use_case_without_a_model() -> None:
    with pytest.raises(ExportError, match="generation 3 has no model for churn"):
        exported(Models(generation=3, horizon=NOW), "churn", "onnx")
