"""The parameters of a request for titles."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from serving.rules.wish import DEEPEST, MOST, Wish

Text = Annotated[str, Field(min_length=1, max_length=128)]
Texts = Annotated[list[Text], Field(max_length=1000)]


class WantedLike(BaseModel):
    """How many titles like another, which ones, and by which rules; unknown parameters are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int = Field(10, ge=1, le=MOST, description="How many titles at the most.")
    offset: int = Field(0, ge=0, le=DEEPEST, description="How many titles of the list to pass over.")
    include: Texts = Field([], description="Only these title ids; may be repeated.")
    exclude: Texts = Field([], description="Not these title ids; may be repeated.")
    genre: Texts = Field([], description="Only titles of this genre, or of any of several; capitals do not count.")
    max_rating: Text | None = Field(None, description="Only titles fit for this age, or of this rating of the rules.")
    country: str | None = Field(None, pattern="^[A-Z]{2}$", description="Only titles that may be shown there.")
    placement: Text | None = Field(None, description="Whose rules apply; `default` where none is named.")

    def wish(self) -> Wish:
        """The same for the rules."""
        given = {name: getattr(self, name) for name in type(self).model_fields if name in Wish.__struct_fields__}
        lists = {name: tuple(getattr(self, name)) for name in ("include", "exclude", "genre")}
        return Wish(**{**given, **lists})


class Wanted(WantedLike):
    """The same of titles for somebody."""

    diversity: float | None = Field(None, ge=0, le=1, description="0: by score alone; 1: by variety alone.")
    seen: bool = Field(False, description="Whether titles that were seen may be shown again.")
    explain: bool = Field(False, description="Say of each title why it is here, and what each rule removed.")
    new: int = Field(0, ge=0, le=MOST, description="How many titles that came up since the night to offer beside.")


# What somebody wants who says nothing.
PLAIN = Wanted.model_validate({}).wish()


async def _wish(wanted: Annotated[Wanted, Query()]) -> Wish:
    return wanted.wish()


async def _wish_like(wanted: Annotated[WantedLike, Query()]) -> Wish:
    return wanted.wish()


AskedFor = Annotated[Wish, Depends(_wish)]
AskedForLike = Annotated[Wish, Depends(_wish_like)]
AboutText = Annotated[
    str | None, Query(min_length=1, max_length=10_000, description="A post whose words are to be explained.")
]
