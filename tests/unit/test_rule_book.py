"""Rules: what is removed and why, pins, order, and that something is shown while something may be."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_arch.clock import parse_rfc3339
from lambda_arch.config import ConfigError
from lambda_arch.models import Models, Title
from lambda_arch.recommend_model import FoldIn, RecommendModel
from lambda_arch.tiles import MILLION, Seen
from serving.listing import Offer, listing
from serving.rules.book import Book
from serving.rules.filters import hidden, removals, terms
from serving.rules.reading import read_book
from serving.rules.shelf import Shelf
from serving.rules.wish import Wish, WishError

TITLES, RANKED, NOW = 40, 30, parse_rfc3339("2026-03-01T00:00:00Z")
NAMES = [f"t{row:02}" for row in range(TITLES)]
GENRES, BRANDS = ("Drama", "Comedy", "Horror"), ("Acme", None)
DOCUMENT = Path(__file__).parents[2] / "docs" / "rules.md"


def shelf_of(book: Book) -> Shelf:
    """Forty titles by genre, brand and year; the model knows thirty."""
    rng = np.random.default_rng(4)
    model = RecommendModel(
        "als", 1, NAMES[:RANKED], rng.normal(size=(RANKED, 4)).astype(np.float32), FoldIn(1.0, 9.0), [3, 1, 2]
    )
    catalogue = {name: Title(name, 1990 + row, (GENRES[row % 3],), BRANDS[row % 2]) for row, name in enumerate(NAMES)}
    return Shelf(Models(generation=1, horizon=0, recommend=model, catalogue=catalogue), book)


PLAIN = shelf_of(Book())


def removed(book: Book, wish: Wish, history: list[str] | None = None) -> set[str]:
    shelf = shelf_of(book)
    flags = hidden(shelf, removals(shelf, terms(wish, book), history or [], NOW))
    return {shelf.titles[row] for row in np.flatnonzero(flags)}


def book(**content: object) -> Book:
    return Book.model_validate(content)


def of(**more: object) -> Book:
    """A book whose default placement has these rules."""
    return book(placements={"default": more})


DRAMA = {name for row, name in enumerate(NAMES) if row % 3 == 0}
ACME = {name for row, name in enumerate(NAMES) if row % 2 == 0}


@pytest.mark.parametrize(
    ("rules", "wish", "expected"),
    [
        pytest.param(Book(), Wish(), set(), id="no rule removes nothing"),
        pytest.param(of(exclude=[{"genres": ["drama"]}]), Wish(), DRAMA, id="a genre, whatever its capitals"),
        pytest.param(of(exclude=[{"genres": ["Drama"], "brands": ["Acme"]}]), Wish(), DRAMA & ACME, id="all kinds"),
        pytest.param(of(exclude=[{"genres": ["Drama"]}, {"brands": ["Acme"]}]), Wish(), DRAMA | ACME, id="any entry"),
        pytest.param(of(include=[{"titles": ["t01", "x"]}, {"years": [2029, 2040]}]), Wish(),
                     set(NAMES) - {"t01", "t39"}, id="what no include means is removed"),
        pytest.param(book(ratings={"unrated": 0, "genres": {"Drama": 16}, "titles": {"t00": 6}}), Wish(max_rating="12"),
                     DRAMA - {"t00"}, id="a title's own rating counts before its genre's"),
        pytest.param(book(ratings={"unrated": 18}), Wish(max_rating="17"), set(NAMES), id="what is unrated"),
        pytest.param(book(availability=[{"titles": ["t00"], "until": "2026-03-01T00:00:00Z"}]), Wish(), {"t00"},
                     id="a window is closed at its end"),
        pytest.param(book(availability=[{"titles": ["t00"], "from": "2026-03-01T00:00:00Z"}]), Wish(), set(),
                     id="and open at its beginning"),
        pytest.param(book(availability=[{"titles": ["t00"], "from": "2026-03-01T00:00:00.000001Z"}]), Wish(), {"t00"},
                     id="but not before it"),
        pytest.param(book(availability=[{"titles": ["t00"], "countries": ["DE"]}]), Wish(), {"t00"},
                     id="of some countries nowhere unknown"),
        pytest.param(book(availability=[{"titles": ["t00"], "countries": ["DE"]},
                                        {"titles": ["t00"], "countries": ["FR"]}]), Wish(country="FR"), set(),
                     id="one open window is enough"),
        pytest.param(Book(), Wish(exclude=("t01",), include=("t01", "t02")), set(NAMES) - {"t02"}, id="as asked"),
    ],
)  # fmt: skip
def test_what_is_removed(rules: Book, wish: Wish, expected: set[str]) -> None:
    assert removed(rules, wish) == expected


def test_the_history_is_removed_unless_it_is_wanted() -> None:
    assert removed(Book(), Wish(), ["t01", "strange"]) == {"t01"}
    assert removed(Book(), Wish(seen=True), ["t01"]) == set()


HOME = of(country="DE", diversity=0.5, max_rating=12)


@pytest.mark.parametrize(
    ("wish", "country", "diversity", "oldest"),
    [
        pytest.param(Wish(), "DE", 0.5, 12, id="what the placement says"),
        pytest.param(Wish(country="FR"), "FR", 0.5, 12, id="the request's country counts before it"),
        pytest.param(Wish(diversity=0.0), "DE", 0.0, 12, id="the request's diversity does, none of it too"),
        pytest.param(Wish(max_rating="6"), "DE", 0.5, 6, id="a stricter age of the request counts"),
        pytest.param(Wish(max_rating="18"), "DE", 0.5, 12, id="a laxer one does not"),
    ],
)
def test_what_counts_of_request_and_placement(wish: Wish, country: str, diversity: float, oldest: int) -> None:
    found = terms(wish, HOME)
    assert (found.country, found.diversity, found.oldest) == (country, diversity, oldest)


def test_boosts_that_mean_the_same_title_are_multiplied() -> None:
    rules = of(boost=[{"genres": ["Drama"], "by": 3}, {"brands": ["Acme"], "by": 0.5}])
    weights = shelf_of(rules).weights("default", rules.placements["default"]).tolist()
    expected = [(3 if name in DRAMA else 1) * (0.5 if name in ACME else 1) for name in NAMES]
    assert weights == expected


def test_what_repeats_is_counted_by_genre_and_by_brand() -> None:
    of_a_brand = [labels for labels in map(PLAIN.labels, range(TITLES)) if ("brand", "Acme") in labels]
    assert (len(of_a_brand), of_a_brand[0]) == (TITLES // 2, [("genre", "Drama"), ("brand", "Acme")])


rows = st.sets(st.integers(0, TITLES - 1))
wishes = st.builds(
    Wish,
    n=st.integers(1, 60),
    exclude=rows.map(lambda found: tuple(NAMES[row] for row in found)),
    genre=st.lists(st.sampled_from(GENRES), max_size=2).map(tuple),
    seen=st.booleans(),
    diversity=st.sampled_from([None, 0.5, 1.0]),
)
books = st.builds(
    lambda pins, boosts, repeats: of(
        pin=[{"title": NAMES[row], "at": place} for place, row in pins],
        boost=[{"genres": [genre], "by": by} for genre, by in boosts.items()],
        repeats=repeats,
    ),
    st.lists(
        st.tuples(st.integers(1, 9), st.integers(0, TITLES - 1)), max_size=3,
        unique_by=(lambda pin: pin[0], lambda pin: pin[1]),
    ),
    st.dictionaries(st.sampled_from(GENRES), st.sampled_from([0.5, 2.0]), max_size=2),
    st.sampled_from([None, {"genre": 1, "within": 2}]),
)  # fmt: skip


@given(books, wishes, rows, rows, st.booleans())
def test_whatever_the_rules_nothing_removed_is_shown_pins_are_in_place_and_all_that_may_be_shown_is(
    rules: Book, wish: Wish, seen: set[int], listed: set[int], has_taste: bool
) -> None:
    shelf, asked, history = shelf_of(rules), terms(wish, rules), [NAMES[row] for row in sorted(seen)]
    taste = [Seen(0, 0, name, MILLION) for name in history] if has_taste else []
    offer = Offer(listed=[(NAMES[row], 1.0 - row / 99) for row in sorted(listed)], label="batch", taste=taste)
    forbidden = removed(rules, wish, history)
    shown = [shelf.titles[one.row] for one in listing(shelf, asked, offer, history, NOW).shown]
    assert not forbidden & set(shown)
    assert len(set(shown)) == len(shown) == min(wish.n, TITLES - len(forbidden))
    pins = [pin for pin in asked.placement.pin if pin.title not in forbidden]
    if TITLES - len(forbidden) >= max((pin.at for pin in pins), default=0):
        assert all(shown[pin.at - 1] == pin.title for pin in pins if pin.at <= wish.n)


@given(wishes.filter(lambda wish: wish.diversity is None), rows)
def test_without_rules_of_order_the_list_keeps_its_own(wish: Wish, listed: set[int]) -> None:
    offer = Offer(listed=[(NAMES[row], 1.0 - row / 99) for row in sorted(listed)], label="batch")
    shown = listing(PLAIN, terms(wish, Book()), offer, [], NOW).shown
    of_list = [one.row for one in shown if one.label == "batch"]
    assert of_list == sorted(of_list)


def test_a_rating_and_a_placement_that_there_are_not_are_named() -> None:
    with pytest.raises(WishError, match="there is no 'x' in the rules; there are: default"):
        terms(Wish(placement="x"), of())
    with pytest.raises(WishError, match="unknown rating 'PG'"):
        terms(Wish(max_rating="PG"), Book())


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a: [", "not YAML"),
        ("- 1", "the top"),
        ("placement: {}", "unknown key placement"),
        ("placements: {home: {bost: []}}", "unknown key placements.home.bost"),
        ("placements: {home: {exclude: [{}]}}", "names no titles"),
        ("placements: {home: {exclude: [{titles: [1]}]}}", "placements.home.exclude.0.titles.0: Input should be"),
        ("placements: {home: {pin: [{title: a, at: 1}, {title: b, at: 1}]}}", "two pins share"),
        ("placements: {home: {frequency_cap: {times: 0, days: 7}}}", "home.frequency_cap.times: Input should be"),
        ("placements: {home: {frequency_cap: {times: 3}}}", "placements.home.frequency_cap.days: Field required"),
        ("placements: {home: {frequency_cap: {times: 3, weeks: 1}}}", "unknown key placements.home.frequency_cap"),
        ("placements: {home: {max_rating: PG}}", "unknown rating 'PG'"),
        ("placements: {home: {country: NO}}", "country: Input should be a valid string: put it in quotes"),
        ("ratings: {genres: {Drama: PG}}", "unknown rating 'PG'"),
        ("availability: [{titles: [a], from: 2026-01-01T00:00:00}]", "availability.0.from"),
        ("schema: 2", "schema"),
    ],
)  # fmt: skip
def test_each_fault_of_a_file_is_named(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(named)) as found:
        read_book(path)
    assert str(path) in str(found.value)


def test_the_documentation_s_example_is_a_book(tmp_path: Path) -> None:
    examples = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "rules.yaml"
    path.write_text(examples[0], encoding="utf-8")
    found = read_book(path)
    assert list(found.placements) == ["default", "kids", "home"]
    assert found.ratings.age("PG-13") == 13
