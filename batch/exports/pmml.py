"""Models as PMML 4.4 (Data Mining Group): a field per named feature, so that a scoring engine needs nothing of ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import numpy as np

from lambda_arch.models import ChurnModel, SegmentModel, SentimentModel

NAMESPACE, VERSION = "http://www.dmg.org/PMML-4_4", "4.4"
Table = tuple[np.ndarray, float]


def churn_pmml(model: ChurnModel) -> Element:
    """A field per feature -> `probability(1)` that the customer cancels."""
    tables = {"1": (model.coefficients, model.intercept), "0": (np.zeros(0), 0.0)}
    return _classifier(model.features, "cancels", "logit", tables)


def sentiment_pmml(model: SentimentModel) -> Element:
    """A field per token, 1 where the post has it, else 0 or missing -> `probability(CLASS)` of each class."""
    columns = zip(model.weights.T, model.prior.tolist(), strict=True)
    tables = dict(zip(model.classes, columns, strict=True))
    idf = None if model.idf is None else model.idf.tolist()
    return _classifier(model.vocabulary, "feeling", "softmax", tables, idf)


def segment_pmml(model: SegmentModel) -> Element:
    """A field per feature, unscaled -> `segment` (number), `distance` to its centre in scaled features."""
    document = _document(model.features)
    clusters = _tag(
        document, "ClusteringModel", functionName="clustering", modelClass="centerBased",
        numberOfClusters=len(model.names),
    )  # fmt: skip
    _schema(clusters, model.features)
    output = _tag(clusters, "Output")
    _tag(output, "OutputField", name="segment", feature="predictedValue", dataType="string", optype="categorical")
    _tag(output, "OutputField", name="distance", feature="affinity", dataType="double", optype="continuous")
    scaled = [f"scaled {feature}" for feature in model.features]
    transformations = _tag(clusters, "LocalTransformations")
    for name, feature, mean, scale in zip(scaled, model.features, model.mean, model.scale, strict=True):
        quotient = _apply(_derived(transformations, name), "/")
        _constant(_apply(quotient, "-", feature), mean)
        _constant(quotient, scale)
    _tag(_tag(clusters, "ComparisonMeasure", kind="distance"), "euclidean")
    for name in scaled:
        _tag(clusters, "ClusteringField", field=name, compareFunction="absDiff")
    for number, label, centre in zip(model.numbers, model.names, model.centres, strict=True):
        cluster = _tag(clusters, "Cluster", id=number, name=label)
        _tag(cluster, "Array", n=len(centre), type="real").text = " ".join(repr(float(value)) for value in centre)
    return document


def described(document: Element, told: Mapping[str, str]) -> bytes:
    """The file's bytes, with metadata in its header."""
    header = document[0]
    for name, value in told.items():
        _tag(header, "Extension", extender="lambda-arch", name=name, value=value)
    # The schema wants extensions before the application.
    header.append(header[0])
    header.remove(header[0])
    indent(document)
    return bytes(tostring(document, encoding="utf-8", xml_declaration=True))


def _classifier(
    fields: Sequence[str], target: str, method: str, tables: Mapping[str, Table], idf: Sequence[float] | None = None
) -> Element:
    """A linear model of classes: for each its coefficients, in the order of the fields, and its intercept.

    With `idf`, one per field, the fields are divided by the length of their vector of idf first.
    """
    document = _document(fields, target, tables)
    regression = _tag(document, "RegressionModel", functionName="classification", normalizationMethod=method)
    _schema(regression, fields, target)
    output = _tag(regression, "Output")
    for value in tables:
        _tag(
            output, "OutputField", name=f"probability({value})", feature="probability", value=value,
            dataType="double", optype="continuous",
        )  # fmt: skip
    terms = fields if idf is None else _of_length_one(regression, fields, idf)
    for value, (coefficients, intercept) in tables.items():
        table = _tag(regression, "RegressionTable", intercept=float(intercept), targetCategory=value)
        for name, coefficient in zip(terms, coefficients.tolist(), strict=False):
            _tag(table, "NumericPredictor", name=name, coefficient=coefficient)
    return document


def _of_length_one(regression: Element, fields: Sequence[str], idf: Sequence[float]) -> list[str]:
    """Derived fields: each field by the length of all, which is the root of the summed squares of their idf."""
    transformations = _tag(regression, "LocalTransformations")
    squares = _apply(_derived(transformations, "square of length"), "sum")
    for name, weight in zip(fields, idf, strict=True):
        square = _apply(squares, "*")
        _tag(square, "FieldRef", field=name)
        _constant(square, weight**2)
    length = _apply(_derived(transformations, "length"), "if")
    _constant(_apply(length, "greaterThan", "square of length"), 0.0)
    _apply(length, "sqrt", "square of length")
    _constant(length, 1.0)
    names = [f"scaled {name}" for name in fields]
    for scaled, name in zip(names, fields, strict=True):
        _apply(_derived(transformations, scaled), "/", name, "length")
    return names


def _derived(transformations: Element, name: str) -> Element:
    return _tag(transformations, "DerivedField", name=name, dataType="double", optype="continuous")


def _apply(parent: Element, function: str, *fields: str) -> Element:
    applied = _tag(parent, "Apply", function=function)
    for name in fields:
        _tag(applied, "FieldRef", field=name)
    return applied


def _document(fields: Iterable[str], target: str | None = None, classes: Iterable[str] = ()) -> Element:
    root = Element("PMML", {"xmlns": NAMESPACE, "version": VERSION})
    _tag(_tag(root, "Header"), "Application", name="lambda-arch")
    dictionary = _tag(root, "DataDictionary")
    for name in fields:
        _tag(dictionary, "DataField", name=name, optype="continuous", dataType="double")
    if target:
        field = _tag(dictionary, "DataField", name=target, optype="categorical", dataType="string")
        for value in classes:
            _tag(field, "Value", value=value)
    return root


def _schema(model: Element, fields: Iterable[str], target: str | None = None) -> None:
    """What the model takes; an attribute that is missing counts as 0, as in lambda_arch/vectors.py."""
    schema = _tag(model, "MiningSchema")
    for name in fields:
        _tag(schema, "MiningField", name=name, missingValueReplacement="0")
    if target:
        _tag(schema, "MiningField", name=target, usageType="target")


def _constant(parent: Element, value: float) -> None:
    _tag(parent, "Constant", dataType="double").text = repr(float(value))


def _tag(parent: Element, tag: str, /, **attributes: object) -> Element:
    return SubElement(parent, tag, {key: str(value) for key, value in attributes.items()})
