"""Which segments there are, how many are in each, and what sets it apart."""

from __future__ import annotations

from lambda_arch.audience import segment_list
from serving.audience import Moment
from serving.replies import Reply
from serving.traits import words


class TraitReply(Reply):
    """A feature's mean in a segment against everybody's, in the feature's own unit, and in words."""

    feature: str
    mean: float
    everybody: float
    words: str


class SegmentInfo(Reply):
    """A segment: its number, which it keeps from night to night; `members` by the night, and what sets it apart."""

    segment: int
    name: str
    members: int
    popular: list[str]
    traits: list[TraitReply]


class SegmentsReply(Reply):
    """The segments of a generation, of the model that was trained in `model_version`."""

    generation: int
    model: str
    model_version: int
    segments: list[SegmentInfo]


def segments_of(moment: Moment) -> SegmentsReply:
    """The segments of a moment; none where no model of segments is in service."""
    model = moment.view.models().segment
    if model is None:
        return SegmentsReply(generation=moment.generation, model="none", model_version=0, segments=[])
    found = []
    for row, (number, name) in enumerate(zip(model.numbers, model.names, strict=True)):
        traits = [
            TraitReply(feature=trait.feature, mean=trait.mean, everybody=trait.everybody, words=words(trait))
            for trait in (model.traits[row] if model.traits else [])
        ]
        members = moment.lists.of(segment_list(number)).members
        found.append(SegmentInfo(segment=number, name=name, members=members, popular=model.popular[row], traits=traits))
    return SegmentsReply(
        generation=moment.generation, model=model.name, model_version=model.version, segments=found
    )  # fmt: skip
