"""Raw records -> valid, typed events and posts, or a reason: the contract as Column expressions.

The same expressions run in real-time mode, in micro-batches, over the lake and over files. A record whose fields are
not all of the types they should have is read again as JSON text, so that a wrong type is a reason and never a stop.
JSON scalars are accepted where text is wanted, and text where a number or an object is; text that begins with `{` or
`[` is taken for an object or list (bad_type). "Ahead of the clock" is measured against the record's `timestamp` (when
it was received), so that a replay gives the same verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lambda_arch import contract
from lambda_arch.config import Events
from lambda_arch.contract import EVENT_FIELDS, EVENT_RULES, POST_FIELDS, POST_RULES
from lambda_arch.posts import UNASSIGNED
from lambda_arch.schemas import Transform

_CORRUPT = "corrupt"
_TYPES: dict[str, T.DataType] = {"value": T.DoubleType(), "properties": T.MapType(T.StringType(), T.StringType())}


def checked_events(settings: Events) -> Transform:
    """Raw records -> their columns, the typed event's, and `reason` (null: valid). The first broken rule counts."""
    typed = {
        **{name: _text(name) for name in ("event_id", "event_type", "user_id", "title_id")},
        "event_time": moment(_text("event_time")),
        "value": _typed("value", _number()),
        "properties": _typed("properties", F.from_json(_as_text("properties"), "map<string,string>")),
    }
    own = [F.when(~F.coalesce(F.expr(rule.unless), F.lit(False)), F.lit(rule.reason)) for rule in settings.rules]
    return _checked(EVENT_FIELDS, typed, [*_faults(EVENT_RULES, settings), *own], settings)


def checked_posts(settings: Events) -> Transform:
    """Raw records -> their columns, the typed post's, and `reason` (null: valid). The first broken rule counts."""
    as_text = ("post_id", "text", "title", "author_id", "source", "language")
    typed = {
        **{name: _text(name) for name in as_text},
        "event_time": moment(_text("event_time")),
        "title_id": _title_of_post(),
    }
    return _checked(POST_FIELDS, typed, _faults(POST_RULES, settings), settings)


def _checked(fields: Sequence[str], typed: dict[str, Column], faults: list[Column], settings: Events) -> Transform:
    def checked(raw: DataFrame) -> DataFrame:
        reason = F.coalesce(*_record_faults(settings), *faults)
        read = raw.withColumns(_read(fields)).withColumnRenamed("value", "record")
        return read.withColumns(typed).withColumn("reason", reason)

    return checked


def _read(fields: Sequence[str]) -> dict[str, Column]:
    """The `fields` by their types; and all of them as `texts` where that cannot be, else null.

    Reading an object as text and that again takes as long as all else: few records need it. Both are of one
    projection, in which Spark reads each once.
    """
    record, options = F.col("value").cast("string"), {"columnNameOfCorruptRecord": _CORRUPT}
    typed = F.from_json(record, _schema(fields, _TYPES), options)
    texts = F.from_json(record, _schema(fields, {}), options)
    return {"fields": typed, "texts": F.when(typed[_CORRUPT].isNotNull(), texts)}


def _schema(fields: Sequence[str], types: dict[str, T.DataType]) -> T.StructType:
    return T.StructType([T.StructField(name, types.get(name, T.StringType())) for name in (*fields, _CORRUPT)])


def _record_faults(settings: Events) -> list[Column]:
    text = F.col("record").cast("string")
    is_object = text.rlike(r"\A[ \t\r\n]*\{") & _as_text(_CORRUPT).isNull() & F.is_valid_utf8(text)
    return [
        F.when(F.octet_length("record") > settings.max_bytes, F.lit(contract.TOO_LARGE)),
        F.when(~F.coalesce(is_object, F.lit(False)), F.lit(contract.NOT_JSON)),
    ]


def _faults(rules: Sequence[contract.Rule], settings: Events) -> list[Column]:
    """The reason of each rule where a record breaks it, else null."""
    faults = []
    for rule in rules:
        broken = _BROKEN[rule.check](rule, settings)
        concerned = F.col("event_type").isin(*rule.only) & broken if rule.only else broken
        faults.append(F.when(concerned, F.lit(rule.reason)))
    return faults


def _missing(rule: contract.Rule, _: Events) -> Column:
    if rule.field in _TYPES:
        return F.col(rule.field).isNull() & _is_blank(_as_text(rule.field))
    return _is_blank(_text(rule.field))


def _unknown(rule: contract.Rule, _: Events) -> Column:
    return ~_text(rule.field).isin(*rule.known)


def _nested(rule: contract.Rule, _: Events) -> Column:
    return _text(rule.field).startswith("{") | _text(rule.field).startswith("[")


def _longer(rule: contract.Rule, _: Events) -> Column:
    return F.length(_text(rule.field)) > rule.longest


def _no_time(_: contract.Rule, settings: Events) -> Column:
    time = F.col("event_time")
    latest = F.col("timestamp") + F.expr(f"INTERVAL {settings.max_ahead_minutes} MINUTES")
    return time.isNull() | (time < F.lit(contract.FIRST_TIME).cast("timestamp")) | (time > latest)


def _no_number(rule: contract.Rule, _: Events) -> Column:
    value = F.col(rule.field)
    return (value.isNull() & _as_text(rule.field).isNotNull()) | F.isnan(value) | (F.abs(value) == float("inf"))


def _outside(rule: contract.Rule, _: Events) -> Column:
    return ~F.col(rule.field).between(*rule.bounds)


def _no_map(rule: contract.Rule, _: Events) -> Column:
    return _as_text(rule.field).isNotNull() & F.col(rule.field).isNull()


_BROKEN: dict[contract.Check, Callable[[contract.Rule, Events], Column]] = {
    "missing": _missing, "unknown": _unknown, "nested": _nested, "longer": _longer, "no_time": _no_time,
    "no_number": _no_number, "outside": _outside, "no_map": _no_map,
}  # fmt: skip


def _text(name: str) -> Column:
    return F.col(f"fields.{name}")


def _as_text(name: str) -> Column:
    """Of a record that was read again; null of others."""
    return F.col(f"texts.{name}")


def _typed(name: str, of_text: Column) -> Column:
    return F.when(F.col("texts").isNotNull(), of_text).otherwise(F.col(f"fields.{name}"))


def _is_blank(text: Column) -> Column:
    return F.coalesce(text, F.lit("")) == ""


def moment(text: Column) -> Column:
    """The timestamp of a text of the contract's forms; null for any other."""
    millis = F.when(_is_all(text, contract.EPOCH_MILLIS), F.timestamp_millis(text.try_cast("bigint")))
    # RFC 3339 allows a small t and z, Spark's cast does not.
    return F.coalesce(millis, F.when(_is_all(text, contract.RFC3339), F.upper(text).try_cast("timestamp")))


def _number() -> Column:
    # Spark's cast takes more for a number, such as 1d and 0x1p3.
    text = _as_text("value")
    return F.when(_is_all(text, contract.NUMBER), text.try_cast("double"))


def _is_all(text: Column, pattern: str) -> Column:
    return text.rlike(rf"\A(?:{pattern})\z")


def _title_of_post() -> Column:
    """The post's title id; else its title's name as a slug; else a title that stands for none."""
    slug = F.regexp_replace(F.lower(F.trim(_text("title"))), r"[^\p{L}\p{N}]+", "-")
    return F.coalesce(F.nullif(_text("title_id"), F.lit("")), F.nullif(slug, F.lit("")), F.lit(UNASSIGNED))
