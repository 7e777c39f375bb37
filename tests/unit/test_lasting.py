"""Segments' numbers and names from one night to the next, on centres laid by hand."""

from __future__ import annotations

import numpy as np

from batch.customers.lasting import Centres, Lasting, lasting
from lambda_arch.models import SegmentModel

FEATURES = ["titles", "count:view", "genre:Drama"]
CENTRES = np.array([[2.0, 0.1, 0.0], [-1.0, 1.5, 0.0], [-1.0, -1.0, 0.5]])


def tonight(centres: np.ndarray, sizes: list[int], features: list[str] = FEATURES) -> Centres:
    width = len(features)
    return Centres(features, np.full(width, 10.0), np.full(width, 4.0), np.array(centres), np.array(sizes))


def model(centres: Centres, last: Lasting) -> SegmentModel:
    return SegmentModel(
        name="kmeans", version=1, features=centres.features, mean=centres.mean, scale=centres.scale,
        centres=centres.centres[last.order], numbers=last.numbers, names=last.names,
        sizes=centres.sizes[last.order].tolist(), popular=[[] for _ in last.order], given=last.given,
    )  # fmt: skip


FIRST = tonight(CENTRES, [10, 30, 20])
BEFORE = model(FIRST, lasting(FIRST, None))


def named(centres: Centres, found: Lasting) -> dict[tuple[float, ...], tuple[int, str]]:
    rows = [tuple(centres.centres[row].round(1).tolist()) for row in found.order]
    return dict(zip(rows, zip(found.numbers, found.names, strict=True), strict=True))


def test_a_first_night_numbers_by_size_and_names_by_what_sets_apart() -> None:
    assert BEFORE.numbers == [0, 1, 2]
    assert BEFORE.sizes == [30, 20, 10]
    assert BEFORE.names == [
        "more view events, less titles", "less titles, less view events", "more titles, more view events"
    ]  # fmt: skip


def test_permuted_centres_keep_their_numbers_and_names() -> None:
    turned = tonight(CENTRES[[2, 0, 1]] + 0.02, [30, 20, 10])
    found = lasting(turned, BEFORE)
    assert found.numbers == [0, 1, 2]
    assert found.order == [2, 0, 1]
    assert (found.names, found.given) == (BEFORE.names, 3)


def test_an_added_segment_has_a_number_of_its_own_and_the_others_keep_theirs() -> None:
    more = tonight(np.vstack([[3.0, 3.0, 3.0], CENTRES]), [99, 10, 30, 20])
    found = lasting(more, BEFORE)
    assert found.numbers == [0, 1, 2, 3]
    assert found.order == [2, 3, 1, 0]
    assert found.given == 4


def test_a_number_that_is_free_again_is_never_given_again() -> None:
    two = tonight(CENTRES[[0, 1]], [10, 30])
    fewer = lasting(two, BEFORE)
    assert (fewer.numbers, fewer.given) == ([0, 2], 3)
    three = tonight(np.vstack([CENTRES[[0, 1]], [[0.0, -3.0, -3.0]]]), [10, 30, 50])
    assert lasting(three, model(two, fewer)).numbers == [0, 2, 3]


def test_where_everything_has_moved_far_away_nothing_is_the_same_segment() -> None:
    found = lasting(tonight(-6 * CENTRES, [10, 30, 20]), BEFORE)
    assert not set(found.numbers) & {0, 1, 2}


def test_a_name_that_is_no_longer_true_is_replaced() -> None:
    moved = CENTRES.copy()
    moved[1] = [0.0, 1.5, 0.5]  # those with more views no longer have fewer titles
    found = lasting(tonight(moved, [10, 30, 20]), BEFORE)
    assert found.numbers == [0, 1, 2]
    assert found.names == ["more view events, more Drama", *BEFORE.names[1:]]


def test_distances_are_those_of_the_features_both_nights_have_in_their_own_units() -> None:
    """Tonight's scale and mean are others, and there is a genre more."""
    raw = np.column_stack([CENTRES * 4.0 + 10.0, np.ones(3)])[[1, 2, 0]]
    mean, scale = np.array([8.0, 9.0, 11.0, 1.0]), np.array([5.0, 3.0, 2.0, 1.0])
    wider = Centres([*FEATURES, "genre:Comedy"], mean, scale, (raw - mean) / scale, np.array([1, 1, 1]))
    assert lasting(wider, BEFORE).order == [0, 1, 2]
    assert lasting(wider, BEFORE).numbers == [0, 1, 2]


def test_names_are_distinct_though_the_same_sets_two_apart() -> None:
    alike = tonight(np.array([[2.0, 1.0, 0.5], [3.0, 1.0, -0.5], [3.0, 1.5, -0.5]]), [3, 2, 1])
    names = lasting(alike, None).names
    assert names == ["more titles, more view events", "more titles, more view events, less Drama",
        "more titles, more view events, less Drama (3)"]  # fmt: skip


def test_traits_are_means_in_the_feature_s_own_unit() -> None:
    first = lasting(FIRST, None).traits[0][0]
    assert (first.feature, first.mean, first.everybody) == ("count:view", 16.0, 10.0)
