"""Raw records -> valid, typed events and posts, or a reason: Column expressions only.

The same expressions run in real-time mode, in micro-batches, over the lake and over files. Fields are read as
JSON text and then typed, so that a wrong type is a reason and never a stop. JSON scalars are accepted where text
is wanted; text that begins with `{` or `[` is taken for an object or list (bad_type). "Ahead of the clock" is
measured against the record's `timestamp` (when it was received), so that a replay gives the same verdict.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lambda_arch.config import Events
from lambda_arch.posts import UNASSIGNED
from lambda_arch.schemas import Transform
from lambda_arch.tiles import EVENT_TYPES

EVENT_FIELDS = ("event_id", "event_type", "user_id", "title_id", "event_time", "value", "properties")
POST_FIELDS = ("post_id", "text", "event_time", "title_id", "title", "author_id", "source", "language")
NEED_TITLE = ("view", "rating", "list_add", "impression")
VALUE_RANGES = {"view": (0.0, 1.0), "rating": (0.5, 5.0)}
LONGEST_TEXT = 10_000

_RFC3339 = r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)$"
_EPOCH_MILLIS = r"^\d{1,15}$"
_FIRST_TIME = "1970-01-02"
_CORRUPT = "corrupt"


def checked_events(settings: Events) -> Transform:
    """Raw records -> their columns, the typed event's, and `reason` (null: valid). The first broken rule counts."""
    typed = {
        **{name: _text(name) for name in ("event_id", "event_type", "user_id", "title_id")},
        "event_time": _time(),
        "value": _text("value").try_cast("double"),
        "properties": F.from_json(_text("properties"), "map<string,string>"),
    }
    own = [F.when(~F.coalesce(F.expr(rule.unless), F.lit(False)), F.lit(rule.reason)) for rule in settings.rules]
    return _checked(EVENT_FIELDS, typed, [*_event_faults(settings), *own], settings)


def checked_posts(settings: Events) -> Transform:
    """Raw records -> their columns, the typed post's, and `reason` (null: valid). The first broken rule counts."""
    as_text = ("post_id", "text", "title", "author_id", "source", "language")
    typed = {**{name: _text(name) for name in as_text}, "event_time": _time(), "title_id": _title_of_post()}
    return _checked(POST_FIELDS, typed, _post_faults(settings), settings)


def _checked(fields: Sequence[str], typed: dict[str, Column], faults: list[Column], settings: Events) -> Transform:
    schema = T.StructType([T.StructField(name, T.StringType()) for name in (*fields, _CORRUPT)])
    options = {"columnNameOfCorruptRecord": _CORRUPT}

    def checked(raw: DataFrame) -> DataFrame:
        bytes_ = raw.withColumn("fields", F.from_json(F.col("value").cast("string"), schema, options))
        reason = F.coalesce(*_record_faults(settings), *faults)
        return bytes_.withColumnRenamed("value", "record").withColumns(typed).withColumn("reason", reason)

    return checked


def _record_faults(settings: Events) -> list[Column]:
    text = F.col("record").cast("string")
    is_object = F.ltrim(text).startswith("{") & _text(_CORRUPT).isNull() & F.is_valid_utf8(text)
    return [
        F.when(F.octet_length("record") > settings.max_bytes, F.lit("too_large")),
        F.when(~F.coalesce(is_object, F.lit(False)), F.lit("not_json")),
    ]


def _event_faults(settings: Events) -> list[Column]:
    event_type = F.col("event_type")
    return [
        *_id_faults("event_id", 64),
        _missing("event_type"),
        F.when(~event_type.isin(*EVENT_TYPES), F.lit("unknown_event_type")),
        *_id_faults("user_id", 128),
        F.when(event_type.isin(*NEED_TITLE), _missing("title_id")),
        *_id_faults("title_id", 128)[1:],
        *_time_faults(settings),
        F.when(event_type.isin(*VALUE_RANGES), _missing("value")),
        F.when(_text("value").isNotNull() & ~_is_number(F.col("value")), F.lit("bad_type:value")),
        *[_range_fault(name, low, high) for name, (low, high) in VALUE_RANGES.items()],
        F.when(event_type == "account", _missing("properties")),
        F.when(_text("properties").isNotNull() & F.col("properties").isNull(), F.lit("bad_type:properties")),
    ]


def _post_faults(settings: Events) -> list[Column]:
    return [
        *_id_faults("post_id", 64),
        _missing("text"),
        F.when(F.length("text") > LONGEST_TEXT, F.lit("out_of_range:text")),
        *_time_faults(settings),
        *_id_faults("title_id", 128)[1:],
    ]


def _id_faults(name: str, longest: int) -> list[Column]:
    """Missing, of a wrong type, too long; without the first, for a field that may be absent."""
    text = _text(name)
    return [
        _missing(name),
        F.when(text.startswith("{") | text.startswith("["), F.lit(f"bad_type:{name}")),
        F.when(F.length(text) > longest, F.lit(f"out_of_range:{name}")),
    ]


def _time_faults(settings: Events) -> list[Column]:
    time = F.col("event_time")
    latest = F.col("timestamp") + F.expr(f"INTERVAL {settings.max_ahead_minutes} MINUTES")
    unusable = time.isNull() | (time < F.lit(_FIRST_TIME).cast("timestamp")) | (time > latest)
    return [_missing("event_time"), F.when(unusable, F.lit("bad_time"))]


def _range_fault(event_type: str, low: float, high: float) -> Column:
    out = ~F.col("value").between(low, high)
    return F.when((F.col("event_type") == event_type) & out, F.lit("out_of_range:value"))


def _missing(name: str) -> Column:
    return F.when(F.coalesce(_text(name), F.lit("")) == "", F.lit(f"missing_field:{name}"))


def _text(name: str) -> Column:
    return F.col(f"fields.{name}")


def _time() -> Column:
    text = _text("event_time")
    millis = F.when(text.rlike(_EPOCH_MILLIS), F.timestamp_millis(text.try_cast("bigint")))
    # RFC 3339 allows a small t and z, Spark's cast does not.
    return F.coalesce(millis, F.when(text.rlike(_RFC3339), F.upper(text).try_cast("timestamp")))


def _is_number(value: Column) -> Column:
    return value.isNotNull() & ~F.isnan(value) & (F.abs(value) < F.lit(float("inf")))


def _title_of_post() -> Column:
    """The post's title id; else its title's name as a slug; else a title that stands for none."""
    slug = F.regexp_replace(F.lower(F.trim(_text("title"))), r"[^\p{L}\p{N}]+", "-")
    return F.coalesce(F.nullif(_text("title_id"), F.lit("")), F.nullif(slug, F.lit("")), F.lit(UNASSIGNED))
