"""Recommendations as they are asked for: from both layers' lists, or from a session, under the rules of a placement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import structs

from lambda_arch.contributions import because
from lambda_arch.exposures import Exposure, shown
from lambda_arch.models import Models, Title
from lambda_arch.predictions import NEXT
from lambda_arch.records import UseCase
from lambda_arch.scoring import watch_next
from lambda_arch.tiles import Seen
from serving.answers import Answer, Answers, View, segment_of
from serving.fallback import popular_chain
from serving.listing import Listing, Offer, listing
from serving.newcomers import Premieres
from serving.offering import offered
from serving.person import PROFILE, STATE, Person, seen_since
from serving.rules.filters import Terms, terms
from serving.rules.frequency import capped, exposure
from serving.rules.reading import Rulebook
from serving.rules.shelf import Shelf
from serving.rules.shelves import Shelves
from serving.rules.wish import Wish
from serving.similar import Similar, similar
from serving.values import named

REASONS = 5  # titles of the history that explain a recommended one
EXAMPLES = 10  # removed titles that are named
_QUICK: tuple[UseCase, ...] = ("recommend", "segment", STATE)
_WHOLE: tuple[UseCase, ...] = (*_QUICK, PROFILE)


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to somebody without an id; `known` is how many titles of the session the model knows."""

    value: dict[str, Any]
    model: str
    model_version: int
    generation: int
    known: int


class Recommended(NamedTuple):
    """What was read, and what goes out: what was decided of it, with the titles that are shown.

    `removed`: how many titles of the layer's list each rule took out. `exposure`: what of it a cap has to count.
    """

    view: View
    answer: Answer
    removed: Mapping[str, int] = {}
    exposure: Exposure | None = None


class Recommender:
    """Lists under the rules in use."""

    def __init__(self, answers: Answers, rules: Rulebook, premieres: Premieres, history_limit: int) -> None:
        self._answers, self.rules, self._limit = answers, rules, history_limit
        self._shelves, self._premieres = Shelves(), premieres
        answers.before_use(self._prepare)

    async def _prepare(self, models: Models) -> None:
        await self._shelves.prepare(models, self.rules.book)

    async def of_user(self, user_id: str, wish: Wish) -> Recommended:
        """What a viewer gets; raises WishError for what the rules do not know, StoreError where the store is away."""
        [found] = await self.of_users([user_id], wish)
        return found

    async def of_users(self, user_ids: Sequence[str], wish: Wish) -> list[Recommended]:
        """What viewers get, in their order, read in one round trip; in a second one those whose list is made anew."""
        asked = terms(wish, self.rules.book)
        entities = [f"u:{user_id}" for user_id in user_ids]
        listed: list[Recommended | None] = [None] * len(entities)
        if wish.is_plain and self.rules.book.is_empty:
            listed = [self._listed(view, wish.n) for view in await self._answers.views(entities, _QUICK)]
            if None not in listed:
                return [found for found in listed if found]
        left = [entity for entity, found in zip(entities, listed, strict=True) if found is None]
        views = await self._answers.views(left, _WHOLE, exposures=asked.placement.frequency_cap is not None)
        made = [await self._under_rules(view, asked) for view in views]
        anew = iter(made)
        return [found or next(anew) for found in listed]

    async def of_session(self, history: Sequence[Seen], wish: Wish) -> Session:
        """What somebody without an id gets; `history` is what they watched, newest first, of any strength above 0."""
        asked = terms(wish, self.rules.book)
        models, now = await self._answers.in_service()
        shelf, model = await self._shelves.of(models, self.rules.book), models.recommend
        offer = Offer(taste=history, rest=popular_chain(models, None))
        seen = [entry.title for entry in history]
        found = listing(shelf, asked, offer, seen, now)
        following = watch_next(model, history, NEXT) if model else None
        value = self._value(models, shelf, found, asked, history)
        value |= await self._new(models, asked, value, history, seen, now)
        return Session(
            value={**value, "next": _next(following, models)}, model=model.name if model else "catalogue",
            model_version=model.version if model else 0, generation=models.generation,
            known=sum(entry.title in model.row for entry in history) if model else 0,
        )  # fmt: skip

    async def like(self, title: str, wish: Wish) -> Similar:
        """Titles like one title; raises as `of_user` does."""
        asked = terms(wish, self.rules.book)
        models, now = await self._answers.in_service()
        return similar(await self._shelves.of(models, self.rules.book), asked, title, now)

    def _listed(self, view: View, count: int) -> Recommended | None:
        """The first titles of the list that is stored; None where it has to be made anew."""
        answer = self._answers.answer_of(view, "recommend", most=count)
        return None if _is_stale(answer, view) else Recommended(view, answer)

    async def _under_rules(self, view: View, asked: Terms) -> Recommended:
        answer = self._answers.answer_of(view, "recommend")
        listed = [(item["title_id"], item["score"]) for item in answer.value["items"]]
        shelf = await self._shelf(view, [title for title, _ in listed])
        person, lately = Person(view, self._limit), shown(view.exposures)
        asked = capped(asked, lately, person.whole.lifetime.history, view.now)
        label, taste = _taste(answer, person)
        if view.former and self._answers.policy("recommend", view.entity).generation == "previous":
            taste = ()  # of the factors of the night before the last there is the list alone
        # Lists of two generations are of two factor spaces: the other's gives way to what the taste says now.
        own = taste and answer.generation != shelf.models.generation
        offer = Offer(
            listed=[] if own else listed, label=label, taste=taste, rest=popular_chain(shelf.models, segment_of(view))
        )
        found = listing(shelf, asked, offer, person.seen, view.now)
        value = {**answer.value, **self._value(shelf.models, shelf, found, asked, taste)}
        value |= await self._new(view.models(), asked, value, person.taste("speed"), person.seen, view.now)
        removed = _taken_out(shelf, found, [title for title, _ in listed])
        exposed = exposure(asked, self.rules.book, view.entity[2:], value, lately, view.now)
        return Recommended(view, structs.replace(answer, value=value), removed, exposed)

    async def _new(
        self, models: Models, asked: Terms, shown: Mapping[str, Any], taste: Sequence[Seen], seen: Iterable[str],
        now: int,
    ) -> dict[str, Any]:  # fmt: skip
        """Titles that came up since the night, where they were asked for; none of those that are shown."""
        if not asked.wish.new:
            return {}
        found = await self._premieres.of(models)
        listed = [item["title_id"] for item in shown["items"]]
        return {"new": offered(found, self.rules.book, asked, taste, seen, listed, now)}

    async def _shelf(self, view: View, listed: Sequence[str]) -> Shelf:
        if view.loaded.models:
            return await self._shelves.of(view.loaded.models, self.rules.book)
        # While there are no models the stored titles are all that is known.
        return Shelf(structs.replace(view.models(), catalogue={title: Title("") for title in listed}), self.rules.book)

    def _value(
        self, models: Models, shelf: Shelf, found: Listing, asked: Terms, taste: Sequence[Seen]
    ) -> dict[str, Any]:
        items = [{**named(shelf.titles[one.row], models), "score": one.score} for one in found.shown]
        if not asked.wish.explain:
            return {"items": items}
        reasons = _reasons(shelf, found, asked, taste)
        return {
            "items": [{**item, "why": why} for item, why in zip(items, reasons, strict=True)],
            "explanation": {"placement": asked.name, "rules": self.rules.version, "removed": _removed(shelf, found)},
        }


def _taken_out(shelf: Shelf, found: Listing, listed: Sequence[str]) -> dict[str, int]:
    rows = shelf.of(listed)
    counts = {rule.name: int(rule.removes[rows].sum()) for rule in found.rules}
    return {name: count for name, count in counts.items() if count}


def _is_stale(answer: Answer, view: View) -> bool:
    """Whether titles that are shown may have been seen since the list was made: then it is made anew."""
    batch, speed = view.stored["recommend"]
    if answer.layer in ("batch", "blend") and speed:
        return seen_since(view, {item["title_id"] for item in answer.value["items"]})
    return answer.layer == "fallback" and bool(batch or speed)


def _taste(answer: Answer, person: Person) -> tuple[str, Sequence[Seen]]:
    """Whose list it is and the history it is made of; what is popular is made of none."""
    if answer.layer == "fallback":
        return answer.model, ()
    return answer.layer, person.taste(answer.layer)


def _reasons(shelf: Shelf, found: Listing, asked: Terms, taste: Sequence[Seen]) -> list[dict[str, Any]]:
    """Why each title shown is here."""
    model = shelf.models.recommend
    titles = [shelf.titles[one.row] for one in found.shown]
    parts = because(model, taste, titles) if model else {}
    weights = shelf.weights(asked.name, asked.placement)
    places = {step: {row: place + 1 for place, row in enumerate(rows)} for step, rows in found.steps.items()}
    return [
        {
            "source": one.label,
            "places": {step: by_row.get(one.row) for step, by_row in places.items()},
            "boost": float(weights[one.row]),
            "because": [
                {**named(seen, shelf.models), "contribution": part}
                for seen, part in (parts[title].titles[:REASONS] if title in parts else ())
            ],
            "popularity": round(parts[title].crowd, 6) if title in parts else None,
        }
        for one, title in zip(found.shown, titles, strict=True)
    ]


def _removed(shelf: Shelf, found: Listing) -> list[dict[str, Any]]:
    """Per rule how many titles it removes of all, and which of those that would come first without any rule."""
    return [
        {
            "rule": rule.name,
            "titles": int(rule.removes.sum()),
            "of_the_best": [named(shelf.titles[row], shelf.models) for row in found.best if rule.removes[row]][
                :EXAMPLES
            ],
        }
        for rule in found.rules
    ]


def _next(following: tuple[str, list[str]] | None, models: Models) -> Mapping[str, Any] | None:
    if following is None:
        return None
    after, titles = following
    return {"after": named(after, models), "items": [named(title, models) for title in titles]}
