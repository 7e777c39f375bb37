"""The catalogue: genres, vectors, a power law of popularity, quality that moves, and titles that go viral."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from generate.plan import RANK, Bools, Floats, Ints, Plan, sigmoid, unit

GENRES = (
    "Action", "Animation", "Comedy", "Crime", "Documentary", "Drama", "Family", "Horror", "Mystery", "Romance",
    "Science Fiction", "Thriller",
)  # fmt: skip
POWER = 0.9
BURST_DAYS = 3
BURST_FACTOR = 40.0
TITLES_PER_BURST = 200
NEVER = -1
# Log-odds of a positive post per unit of quality.
FEELING = 1.6


@dataclass(frozen=True)
class Titles:
    """Titles by index; `burst_day` is NEVER for one that does not go viral."""

    vector: Floats
    genres: Bools
    year: Ints
    popularity: Floats
    quality: Floats
    quality_move: Floats
    burst_day: Ints

    def pull(self, day: int) -> Floats:
        """How strongly each title draws people on a day."""
        viral = (self.burst_day >= 0) & (day >= self.burst_day) & (day < self.burst_day + BURST_DAYS)
        return np.where(viral, np.maximum(self.popularity, 0.02) * BURST_FACTOR, self.popularity)

    def quality_at(self, titles: Ints, progress: Floats) -> Floats:
        """The titles' quality when so much of the span (0 to 1) has passed."""
        return np.asarray(self.quality[titles] + progress * self.quality_move[titles])

    def positive_share(self, progress: float) -> Floats:
        """The true share of positive posts by title."""
        return sigmoid(FEELING * (self.quality + progress * self.quality_move))


def genre_vectors(plan: Plan) -> Floats:
    """What each genre is to taste: unit vectors."""
    return unit(plan.rng("genres").normal(size=(len(GENRES), RANK)))


def made_titles(plan: Plan) -> Titles:
    """The catalogue of a plan."""
    rng, count = plan.rng("titles"), plan.titles
    genres = np.zeros((count, len(GENRES)), dtype=bool)
    genres[np.arange(count), rng.integers(len(GENRES), size=count)] = True
    second = rng.integers(len(GENRES), size=count)
    genres[np.arange(count), second] |= rng.random(count) < 0.6
    vectors = genres @ genre_vectors(plan) + 0.3 * rng.normal(size=(count, RANK))
    bursts = rng.choice(count, size=min(count, 1 + count // TITLES_PER_BURST), replace=False)
    burst_day = np.full(count, NEVER)
    burst_day[bursts] = rng.integers(plan.days, size=len(bursts))
    return Titles(
        vector=unit(vectors).astype(np.float32),
        genres=genres,
        year=2026 - rng.geometric(0.06, size=count).clip(max=90),
        popularity=rng.permutation(np.arange(1, count + 1) ** -POWER),
        quality=rng.normal(size=count),
        quality_move=0.4 * rng.normal(size=count),
        burst_day=burst_day,
    )


def title_names(plan: Plan) -> list[str]:
    """A name for each title, each once."""
    heads = ("Silent", "Golden", "Broken", "Distant", "Crimson", "Hidden", "Northern", "Last", "Electric", "Paper")
    tails = ("Harbour", "Winter", "Orchard", "Signal", "Mirror", "Voyage", "Garden", "Empire", "Letters", "Horizon")
    rng = plan.rng("names")
    first, second = rng.integers(10, size=plan.titles), rng.integers(10, size=plan.titles)
    return [f"{heads[a]} {tails[b]} {n}" for n, (a, b) in enumerate(zip(first, second, strict=True))]
