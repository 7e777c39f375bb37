"""The rules as YAML has them; docs/rules.md describes every key with examples."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, model_validator

from lambda_arch.clock import micros
from lambda_arch.recipes import Section

DEFAULT = "default"  # the placement of a request that names none
OLDEST = 99  # an age above every other

Age = Annotated[int, Field(ge=0, le=OLDEST)]
Rated = Age | str
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
Ids = tuple[Annotated[str, Field(min_length=1, max_length=128)], ...]
Names = tuple[Annotated[str, Field(min_length=1)], ...]


class Selector(Section):
    """Which titles are meant: those that fit all the kinds named, and of each kind any of its values."""

    titles: Ids = ()
    genres: Names = ()
    brands: Names = ()
    years: tuple[int, int] | None = None

    @model_validator(mode="after")
    def _names_something(self) -> Selector:
        if not (self.titles or self.genres or self.brands or self.years):
            raise ValueError("names no titles: want titles, genres, brands or years")
        return self

    def words(self) -> str:
        """Which titles those are, for people."""
        parts = [(name, getattr(self, name)) for name in ("titles", "genres", "brands", "years")]
        return "; ".join(f"{name} {_listed(values)}" for name, values in parts if values)


class Boost(Selector):
    """Their scores times `by`: above 1 up, below 1 down."""

    by: float = Field(gt=0, le=1000)


class Pin(Section):
    """A title's place in the list, counted from 1."""

    title: str = Field(min_length=1, max_length=128)
    at: int = Field(ge=1, le=100)


class Window(Selector):
    """Where and when titles may be shown; no countries: everywhere, no bound: always."""

    countries: tuple[Country, ...] = ()
    since: AwareDatetime | None = Field(None, alias="from")
    until: AwareDatetime | None = None

    def is_open(self, country: str | None, now: int) -> bool:
        """Whether titles may be shown there and then (microseconds); of some countries alone, nowhere unknown."""
        begun = self.since is None or micros(self.since) <= now
        ended = self.until is not None and micros(self.until) <= now
        return begun and not ended and (not self.countries or country in self.countries)


class Ratings(Section):
    """From which age on titles are fit to be seen; `scale` names ages, `unrated` is that of a title without a rating.

    A title's own rating counts before those of its genres, of which the highest does.
    """

    scale: Mapping[str, Age] = {}
    unrated: Age = 18
    titles: Mapping[str, Rated] = {}
    genres: Mapping[str, Rated] = {}

    @model_validator(mode="after")
    def _are_known(self) -> Ratings:
        for rated in (*self.titles.values(), *self.genres.values()):
            self.age(rated)
        return self

    def age(self, rated: Rated) -> int:
        """The age that a rating stands for; raises ValueError naming the known ones."""
        if isinstance(rated, str) and rated in self.scale:
            return self.scale[rated]
        if isinstance(rated, int) or (rated.isdecimal() and int(rated) <= OLDEST):
            return int(rated)
        known = ", ".join(self.scale) or "no names"
        raise ValueError(f"unknown rating {rated!r}: want an age from 0 to {OLDEST}, or of ratings.scale ({known})")


class Repeats(Section):
    """At most so many titles of one genre, or brand, among each `within` places of a list."""

    genre: Annotated[int, Field(ge=1)] | None = None
    brand: Annotated[int, Field(ge=1)] | None = None
    within: Annotated[int, Field(ge=2, le=100)] = 10


class FrequencyCap(Section):
    """A title is shown to the same viewer in at most so many answers of so many days, unless they see it meanwhile."""

    times: int = Field(ge=1, le=1000)
    days: int = Field(ge=1, le=90)

    def __str__(self) -> str:
        """The cap, for people."""
        return f"{self.times} in {self.days} days"


class Placement(Section):
    """The rules of one place where titles are shown; without any it shows what the layers say."""

    include: tuple[Selector, ...] = ()
    exclude: tuple[Selector, ...] = ()
    boost: tuple[Boost, ...] = ()
    pin: tuple[Pin, ...] = ()
    max_rating: Rated | None = None
    country: Country | None = None
    repeats: Repeats | None = None
    frequency_cap: FrequencyCap | None = None
    diversity: Annotated[float, Field(ge=0, le=1)] = 0.0

    @model_validator(mode="after")
    def _pins_are_apart(self) -> Placement:
        if len({pin.title for pin in self.pin}) < len(self.pin) or len({pin.at for pin in self.pin}) < len(self.pin):
            raise ValueError("two pins share a title or a place")
        return self


_UNRULED = Placement()


class Book(Section):
    """All rules of one file."""

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    ratings: Ratings = Ratings()
    availability: tuple[Window, ...] = ()
    placements: Mapping[str, Placement] = {}

    @model_validator(mode="after")
    def _ages_are_known(self) -> Book:
        for placement in self.placements.values():
            if placement.max_rating is not None:
                self.ratings.age(placement.max_rating)
        return self

    def placement(self, name: str | None) -> Placement | None:
        """The rules of a placement, of `default` where none is named; None where a name is not known."""
        if name is None:
            return self.placements.get(DEFAULT, _UNRULED)
        return self.placements.get(name)

    @cached_property
    def longest_cap(self) -> int:
        """For how many days what was shown counts in some placement; 0 where none has a frequency cap."""
        caps = [placement.frequency_cap for placement in self.placements.values()]
        return max((cap.days for cap in caps if cap), default=0)

    @cached_property
    def is_empty(self) -> bool:
        """Whether a request that asks for nothing particular is answered as if there were no rules."""
        return not self.availability and self.placement(None) == _UNRULED


def _listed(values: tuple[object, ...]) -> str:
    shown = ", ".join(map(str, values[:3]))
    return f"{shown} and {len(values) - 3} more" if len(values) > 3 else shown
