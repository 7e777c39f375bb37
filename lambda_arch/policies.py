"""Settings of the serving layer: where it listens and by which policy it answers."""

from __future__ import annotations

from lambda_arch.recipes import Section


class Limits(Section):
    """Age beyond which a layer's record is out."""

    batch_hours: float
    speed_hours: float


class Serving(Section):
    """The API and the arbiter's policy."""

    host: str
    port: int
    limits: dict[str, Limits]
    margin_errors: float
