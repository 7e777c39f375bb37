"""Rotten Tomatoes: reviews as posts about films, with their labels; a tenth of the films is held back.

The corpus has no times. They are assigned here, the same in every run: posts of the files within the year before
the horizon, those about held-back films within 30 days after it.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from demo.chance import chance, smallest
from demo.viewers import halves
from lambda_arch.clock import DAY, SECOND, rfc3339

HELD_BACK_SHARE = 0.1
FILE_DAYS = 365
TAIL_DAYS = 30

Post = dict[str, Any]


def plots(corpus: pd.DataFrame) -> dict[str, str]:
    """The plots by slug, where the corpus has one."""
    told = corpus[corpus["category"].eq("plot") & corpus["text"].notna()].drop_duplicates("movie_name")
    return dict(zip(told["movie_name"], told["text"], strict=True))


def reviewed(corpus: pd.DataFrame) -> list[str]:
    """The slugs of the films that have reviews."""
    return sorted(_judged(corpus)["movie_name"].unique())


def reviews(corpus: pd.DataFrame, films: dict[str, str]) -> pd.DataFrame:
    """The reviews of the films (slug -> title id): post_id, text, movie_name, title_id, positive, held_back."""
    judged = _judged(corpus)
    known = judged[judged["movie_name"].isin(films.keys())]
    titles = known["movie_name"].map(films)
    return known.assign(
        post_id=[f"rt-{row}" for row in known.index],
        title_id=titles,
        positive=known["category"].eq("fresh"),
        held_back=titles.map(lambda title: chance("film", title) < HELD_BACK_SHARE),
    )


def few(slugs: list[str], count: int) -> list[str]:
    """So many of the films."""
    return smallest("slug", slugs, count)


def post(row: dict[Any, Any], name: str, horizon: int) -> Post:
    """A review as a post of the contract."""
    return {
        "post_id": row["post_id"],
        "text": row["text"],
        "event_time": rfc3339(post_time(row["post_id"], row["held_back"], horizon)),
        "title_id": row["title_id"],
        "title": name,
        "source": "rotten_tomatoes",
        "language": "en",
    }


def post_time(post_id: str, held_back: bool, horizon: int) -> int:
    """When the post was written: before the horizon, or after it for a held-back film."""
    start, days = (horizon, TAIL_DAYS) if held_back else (horizon - FILE_DAYS * DAY, FILE_DAYS)
    return start + int(chance("post", post_id) * days * DAY) // SECOND * SECOND


def waves(posts: list[Post]) -> tuple[list[Post], list[Post]]:
    """Of each film the first half (at least one post) and the rest."""
    by_title: dict[str, list[Post]] = {}
    for written in sorted(posts, key=lambda post: (post["event_time"], post["post_id"])):
        by_title.setdefault(written["title_id"], []).append(written)
    split = [halves(written) for written in by_title.values()]
    return [post for early, _ in split for post in early], [post for _, late in split for post in late]


def _judged(corpus: pd.DataFrame) -> pd.DataFrame:
    return corpus[corpus["category"].isin(["fresh", "rotten"]) & corpus["text"].notna()]
