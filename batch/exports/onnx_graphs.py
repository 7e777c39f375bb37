"""Models as ONNX: the arithmetic of lambda_arch.scoring as a graph that any ONNX runtime evaluates, in float64.

Each file's metadata names its inputs; what a feature's name means is told in lambda_arch/vectors.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from lambda_arch.models import ChurnModel, SegmentModel, SentimentModel
from lambda_arch.recommend_model import RecommendModel

HEAD = '<ir_version: 10, opset_import: ["" : 21, "ai.onnx.ml" : 4], producer_name: "lambda-arch">'
# Conjugate gradients end in rank steps but for rounding, which a few more take away.
STEPS_PER_RANK = 4
NAUGHT = 1e-26
# Where a text has no known token its sums are naught, whatever they are divided by.
TINY = 1e-300

LINEAR = """
churn (double[N, F] features) => (double[N] probability) {
    log_odds = MatMul (features, coefficients)
    shifted = Add (log_odds, intercept)
    probability = Sigmoid (shifted)
}
"""
NEAREST = """
segment (double[N, F] features) => (int64[N] segment, double[N] distance) {
    centred = Sub (features, mean)
    scaled = Div (centred, scale)
    one_by_one = Unsqueeze (scaled, one)
    apart = Sub (one_by_one, centres)
    squares = Mul (apart, apart)
    sums = ReduceSum <keepdims: int = 0> (squares, two)
    row = ArgMin <axis: int = 1, keepdims: int = 0> (sums)
    segment = Gather (numbers, row)
    least = ReduceMin <keepdims: int = 0> (sums, one)
    distance = Sqrt (least)
}
"""
# A token that is not in the vocabulary, and the padding, have the last row: weight naught.
TOKENS = """
sentiment (string[N, T] tokens) => (double[N, C] probability) {
    rows = ai.onnx.ml.LabelEncoder (tokens)
    weighed = Gather (weights, rows)
    sums = ReduceSum <keepdims: int = 0> (weighed, one)
    SCALING
    scores = Add (scaled, prior)
    probability = Softmax <axis: int = 1> (scores)
}
"""
PLAIN = TOKENS.replace("SCALING", "scaled = Identity (sums)")
# tf-idf of length 1.
SCALED = TOKENS.replace("SCALING", """squares = Gather (idf_squares, rows)
    sum_of_squares = ReduceSum <keepdims: int = 1> (squares, one)
    above_naught = Max (sum_of_squares, tiny)
    length = Sqrt (above_naught)
    scaled = Div (sums, length)""")  # fmt: skip
# scoring.fold_in, its system of equations solved by conjugate gradients: ONNX has no solver.
FOLD_IN = """
recommend (int64[N] rows, double[N] strengths) => (double[T] scores, double[R] user) {
    factors = Cast <to: int = 11> (item_factors)
    length = Shape (rows)
    count = Squeeze (length)
    places = Range (naught_whole, count, one_whole)
    places_wide = Cast <to: int = 11> (places)
    age = Div (places_wide, memory)
    age_below = Neg (age)
    decay = Exp (age_below)
    gained = Mul (gain, decay)
    recency = Add (floor, gained)
    weight = Mul (recency, strengths)
    confidence = Mul (alpha, weight)
    seen = Gather (factors, rows)
    seen_across = Transpose (seen)
    seen_weighed = Mul (seen_across, confidence)
    of_seen = MatMul (seen_weighed, seen)
    count_wide = Cast <to: int = 11> (count)
    filled = Div (count_wide, few)
    share = Min (filled, unit)
    diagonal = Mul (share, regular)
    observed = Add (gram, of_seen)
    system = Add (observed, diagonal)
    wanted = Add (confidence, unit)
    right = MatMul (wanted, seen)
    right_squares = Mul (right, right)
    right_norm = ReduceSum <keepdims: int = 0> (right_squares)
    enough = Mul (right_norm, tolerance)
    begins = Greater (right_norm, naught)
    user, rest, direction, norm = Loop <body = step (
        int64 number, bool going, double[R] x, double[R] r, double[R] p, double rr
    ) => (bool goes_on, double[R] x_next, double[R] r_next, double[R] p_next, double rr_next) {
        image = MatMul (system, p)
        products = Mul (p, image)
        curvature = ReduceSum <keepdims: int = 0> (products)
        length_of_step = Div (rr, curvature)
        move = Mul (length_of_step, p)
        x_next = Add (x, move)
        change = Mul (length_of_step, image)
        r_next = Sub (r, change)
        r_squares = Mul (r_next, r_next)
        rr_next = ReduceSum <keepdims: int = 0> (r_squares)
        ratio = Div (rr_next, rr)
        carried = Mul (ratio, p)
        p_next = Add (r_next, carried)
        goes_on = Greater (rr_next, enough)
    }> (steps, begins, zeros, right, right, right_norm)
    taste = MatMul (factors, user)
    faded = Div (count_wide, fading)
    faded_below = Neg (faded)
    fade = Exp (faded_below)
    of_crowd = Mul (prior, fade)
    crowd = Mul (recent, of_crowd)
    scores = Add (taste, crowd)
}
"""


def churn_graph(model: ChurnModel) -> onnx.ModelProto:
    """`features` float64 [n, features] -> `probability` float64 [n]."""
    arrays = {"coefficients": _wide(model.coefficients), "intercept": _wide(model.intercept)}
    told = {"features": model.features, "cutoff": model.cutoff}
    return _built(LINEAR, arrays, told, "features: one column per name in `features`, in that order")


def segment_graph(model: SegmentModel) -> onnx.ModelProto:
    """`features` float64 [n, features] -> `segment` int64 [n], `distance` float64 [n]."""
    arrays = {
        "mean": _wide(model.mean), "scale": _wide(model.scale), "centres": _wide(model.centres),
        "numbers": np.array(model.numbers), "one": np.array([1]), "two": np.array([2]),
    }  # fmt: skip
    told = {"features": model.features, "names": model.names, "numbers": model.numbers}
    return _built(NEAREST, arrays, told, "features: one column per name in `features`, unscaled, in that order")


def sentiment_graph(model: SentimentModel) -> onnx.ModelProto:
    """`tokens` text [n, longest], padded with "" -> `probability` float64 [n, classes]."""
    weights = np.pad(_wide(model.weights), ((0, 1), (0, 0)))
    arrays = {"weights": weights, "prior": _wide(model.prior), "one": np.array([1])}
    if model.idf is not None:
        arrays |= {"idf_squares": np.append(_wide(model.idf) ** 2, 0.0), "tiny": _wide(TINY)}
    doc = 'tokens: each post\'s distinct tokens as lambda_arch/text.py makes them, padded with ""'
    graph = PLAIN if model.idf is None else SCALED
    built = _built(graph, arrays, {"classes": model.classes, "buckets": model.buckets}, doc)
    encoder = built.graph.node[0]
    encoder.attribute.extend([
        onnx.helper.make_attribute("keys_strings", model.vocabulary),
        onnx.helper.make_attribute("values_int64s", list(range(len(model.vocabulary)))),
        onnx.helper.make_attribute("default_int64", len(model.vocabulary)),
    ])  # fmt: skip
    return built


def recommend_graph(model: RecommendModel) -> onnx.ModelProto:
    """`rows` int64 [n], `strengths` float64 [n] -> `scores` float64 [titles], `user` float64 [rank]."""
    how, rank = model.fold_in, model.factors.shape[1]
    arrays = {
        "item_factors": model.factors, "gram": model.gram, "regular": how.reg * np.eye(rank), "zeros": np.zeros(rank),
        **{name: _wide(getattr(how, name)) for name in ("alpha", "floor", "gain", "memory", "few", "prior", "fading")},
        "unit": _wide(1.0), "naught": _wide(0.0), "tolerance": _wide(NAUGHT), "naught_whole": np.array(0),
        "one_whole": np.array(1), "steps": np.array(STEPS_PER_RANK * rank),
        "recent": np.zeros(len(model.titles)) if model.recent is None else _wide(model.recent),
    }  # fmt: skip
    doc = (
        "rows: the viewer's titles, newest first, as positions in `titles`; strengths: of each, above 0, as the event "
        "contract has them (a view's fraction watched, say); scores: of every title in `titles`, those seen included"
    )
    return _built(FOLD_IN, arrays, {"titles": model.titles}, doc)


def described(graph: onnx.ModelProto, told: Mapping[str, str]) -> bytes:
    """The checked file's bytes, with further metadata."""
    for name, value in told.items():
        graph.metadata_props.add(key=name, value=value)
    onnx.checker.check_model(graph)
    return bytes(graph.SerializeToString(deterministic=True))


def _built(text: str, arrays: Mapping[str, Any], told: Mapping[str, Any], doc: str) -> onnx.ModelProto:
    model = onnx.parser.parse_model(HEAD + text)
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items())
    model.graph.doc_string = doc
    model.metadata_props.add(key="inputs", value=doc)
    for name, value in told.items():
        model.metadata_props.add(key=name, value=json.dumps(value, ensure_ascii=False))
    return model


def _wide(values: Any) -> np.ndarray:
    return np.asarray(values, dtype=np.float64)
