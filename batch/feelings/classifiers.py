"""Tokens -> classes by Spark ML pipelines, read out as the linear models that the stream can apply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import (
    LinearSVC,
    LinearSVCModel,
    LogisticRegression,
    LogisticRegressionModel,
    NaiveBayes,
    NaiveBayesModel,
    OneVsRest,
    OneVsRestModel,
)
from pyspark.ml.feature import IDF, CountVectorizer, IDFModel, Normalizer
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lambda_arch.models import SentimentModel
from lambda_arch.recipes import Algorithm, Sentiment

VOCABULARY = 1 << 18
CALIBRATION_PARTS = 3
FEATURES = "features"
# Margins of few posts are often separable: without a little of it the scaling would have no bound.
CALIBRATION_REG = 1e-3

Floats = NDArray[np.float64]


class Linear(NamedTuple):
    """Scores = features · weights + prior; [features, classes] and [classes]."""

    weights: Floats
    prior: Floats


def fitted(documents: DataFrame, classes: int, settings: Sentiment) -> PipelineModel:
    """The settings' pipeline on documents (title_id, tokens, label from 0 to classes - 1); it adds `probability`.

    A support vector machine is calibrated by Platt's scaling (1999), fitted on titles that its margins do not come
    from; with three classes on the margins of each against the rest.
    """
    text = text_pipeline(settings).fit(documents)
    featured = text.transform(documents).select("title_id", "label", FEATURES)
    featured.persist()
    try:
        classifier = _CLASSIFIERS[settings.algorithm](settings, classes)
        stages = [classifier.fit(featured)]
        if settings.algorithm == "linear_svc":
            stages.append(_platt(classifier, featured, stages[0], classes))
    finally:
        featured.unpersist()
    return PipelineModel([*text.stages, *stages])


def title_part(purpose: str, parts: int) -> Column:
    """The part, from 0, that a title's posts are in: no title in two, and every purpose with parts of its own."""
    return F.pmod(F.xxhash64(F.lit(purpose), F.col("title_id")), F.lit(parts))


def text_pipeline(settings: Sentiment) -> Pipeline:
    """tokens -> presence of those that enough posts have; by idf and of length 1 where the settings say so."""
    weighing = settings.learner
    steps: list[Any] = [
        CountVectorizer(
            inputCol="tokens", outputCol="presence", minDF=float(settings.min_count), vocabSize=VOCABULARY, binary=True
        )
    ]
    if weighing.idf:
        steps.append(IDF(inputCol="presence", outputCol="weighed"))
    if weighing.normalised:
        steps.append(Normalizer(inputCol=steps[-1].getOutputCol(), outputCol="scaled"))
    steps[-1].setOutputCol(FEATURES)
    return Pipeline(stages=steps)


def read_out(pipeline: PipelineModel, settings: Sentiment, shares: Mapping[str, float], version: int) -> SentimentModel:
    """The pipeline as arrays, its vocabulary in order of the alphabet; `shares` are of the classes, in their order."""
    stages: list[Any] = pipeline.stages
    vocabulary = stages[0].vocabulary  # once: every access carries all of it over from the JVM
    order = np.argsort(np.array(vocabulary))
    idf = next((stage.idf.toArray() for stage in stages if isinstance(stage, IDFModel)), np.ones(len(order)))
    linear = _linear(pipeline)
    return SentimentModel(
        name=settings.algorithm, version=version, vocabulary=[vocabulary[number] for number in order],
        weights=(linear.weights * idf[:, np.newaxis])[order], prior=linear.prior,
        classes=list(shares), shares=list(shares.values()),
        idf=idf[order] if settings.learner.normalised else None, buckets=settings.buckets,
    )  # fmt: skip


def _linear(pipeline: PipelineModel) -> Linear:
    """The classifier's scores, through the scaling where it has one."""
    first, *scalings = [_READ[type(stage)](stage) for stage in pipeline.stages if type(stage) in _READ]
    for scaling in scalings:
        first = Linear(first.weights @ scaling.weights, first.prior @ scaling.weights + scaling.prior)
    return first


def _platt(classifier: Any, featured: DataFrame, trained: Any, classes: int) -> LogisticRegressionModel:
    held = title_part("calibration", CALIBRATION_PARTS) == 0
    parts = [featured.where(~held), featured.where(held)]
    if all(part.select("label").distinct().count() == classes for part in parts):
        margins = classifier.fit(parts[0]).transform(parts[1])
    else:
        # So few posts that a part lacks a class: the machine's own margins are better than none.
        margins = trained.transform(featured)
    scaling: LogisticRegressionModel = LogisticRegression(
        featuresCol="rawPrediction", regParam=CALIBRATION_REG, standardization=False,
        rawPredictionCol="scores", predictionCol="class",
    ).fit(margins)  # fmt: skip
    return scaling


def _naive_bayes(settings: Sentiment, classes: int) -> Any:
    return NaiveBayes(featuresCol=FEATURES, smoothing=settings.naive_bayes.smoothing)


def _logistic_regression(settings: Sentiment, classes: int) -> Any:
    learner = settings.logistic_regression
    return LogisticRegression(
        featuresCol=FEATURES, regParam=learner.reg, maxIter=learner.iterations, standardization=False
    )  # fmt: skip


def _linear_svc(settings: Sentiment, classes: int) -> Any:
    learner = settings.linear_svc
    machine = LinearSVC(
        featuresCol=FEATURES, regParam=learner.reg, maxIter=learner.iterations, standardization=False,
    )  # fmt: skip
    return machine if classes == 2 else OneVsRest(featuresCol=FEATURES, classifier=machine)


_CLASSIFIERS: dict[Algorithm, Callable[[Sentiment, int], Any]] = {
    "naive_bayes": _naive_bayes, "logistic_regression": _logistic_regression, "linear_svc": _linear_svc,
}  # fmt: skip


def _of_bayes(model: NaiveBayesModel) -> Linear:
    return Linear(model.theta.toArray().T, model.pi.toArray())


def _of_regression(model: LogisticRegressionModel) -> Linear:
    weights, prior = model.coefficientMatrix.toArray().T, model.interceptVector.toArray()
    if len(prior) > 1:
        return Linear(weights, prior)
    # Log-odds of the second class of two.
    return Linear(np.hstack([np.zeros_like(weights), weights]), np.append(0.0, prior))


def _of_machine(model: LinearSVCModel) -> Linear:
    weights = model.coefficients.toArray()
    return Linear(np.column_stack([-weights, weights]), np.array([-model.intercept, model.intercept]))


def _of_machines(model: OneVsRestModel) -> Linear:
    machines: list[Any] = model.models
    parts = [_of_machine(machine) for machine in machines]
    return Linear(
        np.column_stack([part.weights[:, 1] for part in parts]), np.array([part.prior[1] for part in parts])
    )  # fmt: skip


_READ: dict[type, Callable[[Any], Linear]] = {
    NaiveBayesModel: _of_bayes, LogisticRegressionModel: _of_regression, LinearSVCModel: _of_machine,
    OneVsRestModel: _of_machines,
}  # fmt: skip
