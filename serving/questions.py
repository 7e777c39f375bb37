"""Lists and explanations for the console: the API's very code, without HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lambda_arch.config import Config, ConfigError
from lambda_arch.new_title_reads import NewTitleReads
from lambda_arch.reads import AsyncStore
from lambda_arch.tiles import MILLION, Seen
from serving.answers import Answers
from serving.explaining import Explainer
from serving.newcomers import Premieres
from serving.recommending import Recommender
from serving.replies import told
from serving.rules.reading import Rulebook
from serving.rules.wish import Wish, WishError

_SHOWN = 5
Fields = dict[str, Any]


async def recommend_user(config: Config, user_id: str, wish: Wish) -> Fields:
    """What a viewer is recommended; raises StoreError, and ConfigError for what the rules do not know."""
    async with _recommender(config) as recommender:
        return _fields(told((await recommender.of_user(user_id, wish)).answer))


async def recommend_session(config: Config, titles: Sequence[str], wish: Wish) -> Fields:
    """The same for somebody without an id, by the titles of a session, the newest first."""
    async with _recommender(config) as recommender:
        history = [Seen(0, 0, title, MILLION) for title in dict.fromkeys(titles)]
        return _fields(await recommender.of_session(history, wish))


async def explain(config: Config, kind: str, identity: str, text: str | None) -> Fields:
    """Why the answers to a user, or about a title, are what they are; raises StoreError."""
    async with _answers(config, AsyncStore(config.store.url)) as answers:
        explainer = Explainer(answers, config.features.history_limit)
        found = explainer.of_user(identity, 10, text) if kind == "user" else explainer.of_title(identity, text)
        return _fields(await found)


def show_list(found: Mapping[str, Any]) -> None:
    """Print a list of titles, with reasons where they were asked for, and why this layer answers."""
    console = Console(highlight=False)
    table = Table("", "title", "name", "score", "source", "because", box=None, pad_edge=False)
    for place, item in enumerate(found["value"]["items"], start=1):
        why = item.get("why") or {}
        score = "" if item["score"] is None else f"{item['score']:.4f}"
        because = _titles(why.get("because", []))
        cells = (item["title_id"], item["name"] or "", score, why.get("source", ""), because)
        table.add_row(str(place), *map(escape, cells))
    console.print(table)
    for item in found["value"].get("new", []):
        told = f"{item['score']:.4f}, of {item['viewers']} viewers{' and its content' if item['content'] else ''}"
        console.print(f"new: {_named(item)}: {told}", markup=False)
    for rule in found["value"].get("explanation", {}).get("removed", []):
        console.print(f"{rule['rule']}: removes {rule['titles']}; {_titles(rule['of_the_best'])}", markup=False)
    if "decision" in found:
        console.print(found["decision"]["sentence"], markup=False)


def show_explanation(found: Mapping[str, Any]) -> None:
    """Print what each answer is made of, and why its layer answers."""
    console = Console(highlight=False)
    for use_case, layers in found["use_cases"].items():
        console.print(f"{use_case}: {layers['answer']['decision']['sentence']}", markup=False)
    made = found.get("made_of", {})
    for title in made.get("recommend", {}).get("titles", []):
        console.print(f"{_named(title)}: because of {_titles(title['because'])}", markup=False)
    for centre in made.get("segment", {}).get("distances", []):
        console.print(f"segment {centre['segment']} {centre['name']}: distance {centre['distance']:.4g}", markup=False)
    for reason in made.get("churn", {}).get("reasons", [])[:_SHOWN]:
        console.print(f"churn {reason['contribution']:+.4f}: {reason['feature']} {reason['value']:g}", markup=False)
    for label, words in _word_lists(found.get("words") or {}).items():
        listed = "; ".join(f"{one['word']} {max(one['weights'].values()):.3g}" for one in words[:_SHOWN])
        console.print(f"{label}: {listed}", markup=False)


def _word_lists(words: Mapping[str, Any]) -> dict[str, Any]:
    if words.get("text") is not None:
        return {"words of the text": words["text"]}
    return {f"words that are {name}": strongest for name, strongest in (words.get("strongest") or {}).items()}


def _titles(titles: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(map(_named, titles[:_SHOWN]))


def _named(title: Mapping[str, Any]) -> str:
    name, part = title["name"], title.get("contribution")
    return f"{title['title_id']}{f' {name}' if name else ''}{f' ({part:+.4f})' if part is not None else ''}"


def _fields(content: Any) -> Fields:
    built: Fields = msgspec.to_builtins(content)
    return built


@asynccontextmanager
async def _answers(config: Config, store: AsyncStore) -> AsyncIterator[Answers]:
    answers = Answers(store, config)
    try:
        yield answers
    finally:
        await answers.close()


@asynccontextmanager
async def _recommender(config: Config) -> AsyncIterator[Recommender]:
    store, limit = AsyncStore(config.store.url), config.features.history_limit
    async with _answers(config, store) as answers:
        try:
            yield Recommender(answers, Rulebook(config.serving.rules), Premieres(NewTitleReads(store), limit), limit)
        except WishError as error:
            raise ConfigError(str(error)) from None
