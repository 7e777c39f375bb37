"""What operators and whoever hands something in are told."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from audience_client.answers import Fields, Measure, UseCase


class Record(TypedDict):
    """What became of one record: where it is in Kafka, or the rule that it breaks.

    `unacknowledged`: Kafka may have it or not; the same id again counts once.
    """

    index: int
    id: NotRequired[str | None]
    status: Literal["accepted", "rejected", "unacknowledged", "not_sent"]
    partition: NotRequired[int | None]
    offset: NotRequired[int | None]
    reason: NotRequired[str | None]
    field: NotRequired[str | None]
    rule: NotRequired[str | None]


class Intake(TypedDict):
    """Accepted is in Kafka, acknowledged by all replicas; rejected only with `partial`."""

    accepted: int
    rejected: int
    records: list[Record]


class Agreed(TypedDict):
    """How far a use case's answers agree, 1 for the same; `ahead`: left out, for speed knew more than the night."""

    metric: str
    value: float | None
    standard_error: float | None
    cases: int
    ahead: int


class Agreement(TypedDict):
    """The speed layer's last answers with generation `former` against the batch answers of the one that followed."""

    generation: int
    former: int
    use_cases: dict[str, Agreed]


class Agreements(TypedDict):
    """Agreement by generation, the newest first."""

    generations: list[Agreement]


class Arm(TypedDict):
    """What an arm gets instead of what everybody gets: settings of the use case's policy, or a placement's rules."""

    weight: float
    policy: NotRequired[Fields]
    placement: NotRequired[str | None]


class Experiment(TypedDict):
    """Some of the entities, split over arms; the first arm is what the others are held against."""

    name: str
    use_case: UseCase
    share: NotRequired[float]
    shadow: NotRequired[bool]
    arms: dict[str, Arm]


class Experiments(TypedDict):
    """The configured experiments, and the newest report of each that has one (`lambda-arch experiments report`)."""

    experiments: list[Experiment]
    reports: list[Fields]


class HitRate(TypedDict):
    """Of a layer's logged lists the share of which a title was then watched, with its standard error over users."""

    hit_rate: float
    standard_error: float
    lists: int
    users: int


class HitRates(TypedDict):
    """By the layer that answered, within so many hours of the answer; hours are null where nothing was reported yet."""

    hours: float | None
    layers: dict[str, HitRate]


class Fidelity(TypedDict):
    """How good each layer's answer is by lag, per use case and layer, as the night measured it; higher is better."""

    generation: int
    use_cases: dict[str, dict[str, dict[str, Measure]]]


class Generation(TypedDict):
    """A generation whose night the store remembers; `trained_in`: the generation of each model in service."""

    generation: int
    horizon: str
    state: str
    users: int
    titles: int
    models: dict[str, str]
    trained_in: dict[str, int]


class Rollback(TypedDict):
    """What was taken out of service, and what answers now."""

    withdrawn: int
    current: int


class Reason(TypedDict):
    """How many of the records looked at were rejected for a reason, and the command that sends them again."""

    reason: str
    records: int
    replay: str


class Reject(TypedDict):
    """A rejected record; `coordinates` are those of its source."""

    reason: str
    coordinates: str
    seen_at: str
    value: str


class Quarantine(TypedDict):
    """What the topic holds of late; the lake has all, and what became of each (`lambda-arch quarantine list`)."""

    held: int
    looked_at: int
    reasons: list[Reason]
    samples: list[Reject]
