"""Which titles a request may not be shown, each with the rules that say so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
import numpy as np

from lambda_arch.shortlist import Flags
from serving.rules.book import DEFAULT, Book, Placement
from serving.rules.shelf import Rule, Shelf
from serving.rules.wish import Wish, WishError

ASKED = "asked:"  # how the names of a request's own rules begin


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """A request's wish together with its placement's rules; `worn` are titles that a viewer was shown too often."""

    wish: Wish
    name: str
    placement: Placement
    oldest: int | None
    country: str | None
    diversity: float
    worn: frozenset[str] = frozenset()


def terms(wish: Wish, book: Book) -> Terms:
    """The stricter age of both; country and diversity of the request, else of the placement.

    Raises WishError for a placement or rating that the book does not know.
    """
    placement = book.placement(wish.placement)
    if placement is None:
        known = ", ".join(book.placements) or "none"
        raise WishError(f"placement: there is no {wish.placement!r} in the rules; there are: {known}")
    try:
        ages = [book.ratings.age(rated) for rated in (wish.max_rating, placement.max_rating) if rated is not None]
    except ValueError as error:
        raise WishError(f"max_rating: {error}") from None
    return Terms(
        wish=wish, name=wish.placement or DEFAULT, placement=placement, oldest=min(ages, default=None),
        country=wish.country or placement.country,
        diversity=placement.diversity if wish.diversity is None else wish.diversity,
    )  # fmt: skip


def removals(shelf: Shelf, asked: Terms, history: Iterable[str], now: int) -> list[Rule]:
    """Every rule of the request that may remove titles; `history` is all that was seen, `now` in microseconds."""
    wish, where = asked.wish, f" in {asked.country}" if asked.country else ""
    rules = [
        *shelf.rules(asked.name, asked.placement),
        Rule(f"availability{where}", shelf.unavailable(asked.country, now)),
    ]
    if asked.oldest is not None:
        rules.append(Rule(f"max_rating {asked.oldest}", shelf.ages > asked.oldest))
    if not wish.seen:
        rules.append(Rule("seen", shelf.among(history)))
    if asked.worn:
        rules.append(Rule(f"frequency_cap {asked.placement.frequency_cap}", shelf.among(asked.worn)))
    return [rule for rule in (*rules, *_own(shelf, wish)) if rule.removes.any()]


def _own(shelf: Shelf, wish: Wish) -> Iterator[Rule]:
    """What the request itself says."""
    if wish.exclude:
        yield Rule(f"{ASKED} exclude", shelf.among(wish.exclude))
    if wish.include:
        yield Rule(f"{ASKED} include", ~shelf.among(wish.include))
    if wish.genre:
        yield Rule(f"{ASKED} genre {' or '.join(wish.genre)}", ~shelf.of_genres(wish.genre))


def kind(rule: str) -> str:
    """A rule's name without what a request says, so that there are no more of them than the book has."""
    first = rule.partition(" ")[0]
    if first == ASKED:
        return "asked"
    return rule if first.endswith(":") else first


def hidden(shelf: Shelf, rules: Iterable[Rule]) -> Flags:
    """Whether each title is removed by some rule."""
    return np.asarray(np.logical_or.reduce([shelf.none(), *(rule.removes for rule in rules)]), dtype=bool)
