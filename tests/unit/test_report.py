"""A night's report from figures made up: what must be in the page, and what must not."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest

from batch.reporting.plots import Line, Plot, plots_of
from batch.reporting.report import (
    differences,
    drawings_of,
    figure,
    measured,
    moved,
    rendered,
    setting,
    settings_of,
    told_of,
)
from batch.reporting.svg import drawn
from batch.reporting.tried import apart
from batch.reporting.tried import told as told_settings
from batch.stored import Stored
from lambda_arch.model_bytes import encode_models
from lambda_arch.models import Models

Told = dict[str, Any]


def trial(k: int, silhouette: float) -> Told:
    return {
        "name": "kmeans", "settings": {"k": k, "grid": {}}, "metrics": {"silhouette": silhouette},
        "standard_error": 0.01, "seconds": 1.5,
    }  # fmt: skip


def night(number: int = 4, **others: Any) -> Told:
    lag = {
        "0": {"value": 0.31, "standard_error": 0.02, "cases": 60},
        "20+": {"value": 0.1, "standard_error": 0.03, "cases": 9},
    }
    return {
        "generation": number, "horizon": "2016-03-01T00:00:00.000000Z", "published": True, "users": 1410, "titles": 12,
        "models": {"recommend": "als", "segment": "kmeans"}, "trained_in": {"recommend": number, "segment": 3},
        "trials": {"segment": [trial(4, 0.31), trial(2, 0.22), trial(3, 0.28)]},
        "fidelity": {"generation": number, "measures": {"recommend": {"speed": lag, "batch": lag}}},
        "seconds": {"conform": 2.0, "train": 30.5}, "data": {"silver/events": {"rows": 59_500, "version": 7}},
        "settings": {"segment": {"k": 4, "grid": {"k": [2, 3, 4]}}},
        "verdicts": {"segment": {"accepted": False, "checks": [
            {"name": "cases", "passed": True, "sentence": "measured on 96 cases"},
            {"name": "incumbent", "passed": False, "sentence": "worse than <b>the incumbent</b>"},
        ]}},
        **others,
    }  # fmt: skip


def stored(report: Told, models: Models) -> Stored:
    return Stored(report["generation"], models.horizon, report, encode_models(models))


@pytest.fixture
def page(small_models: Models) -> str:
    previous = stored(night(3, users=1400), small_models)
    return rendered(told_of(stored(night(), small_models), previous, "recorded: 4"))


class Links(HTMLParser):
    """Everything that a page would fetch, and its tags."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str | None] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.fetched += [value for name, value in attributes if name in ("src", "href", "data", "srcset", "action")]


def test_the_page_needs_no_other_file_and_is_small(page: str) -> None:
    found = Links()
    found.feed(page)
    assert found.fetched == []
    assert not found.tags & {"script", "link", "img", "iframe"}
    assert not re.findall(r"url\(|@import", page)
    assert len(page.encode()) < 500_000
    assert "prefers-color-scheme:dark" in page
    assert 'name="viewport"' in page


def test_the_page_tells_of_data_candidates_verdict_fidelity_sizes_seconds_and_change(page: str) -> None:
    text = " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.S).split())
    assert "silver/events 59,500 7" in text
    assert "candidate k silhouette ± error seconds kmeans (chosen) 4 0.310 0.010 1.5 kmeans 2 0.220" in text
    assert "segment kmeans 3 refused" in text
    assert "Refused: segment." in text
    assert "users 1,400 1,410 +10" in text
    assert re.search(r"The model in service is 0\.\d kB: factors 4 × 2, near 4 × 2\.", text)
    assert "train 30.5" in text
    assert "Registry: recorded: 4" in text


def test_words_from_elsewhere_are_no_markup(page: str) -> None:
    assert "worse than &lt;b&gt;the incumbent&lt;/b&gt;" in page


def test_a_report_of_an_older_release_is_shown_as_far_as_it_goes(small_models: Models) -> None:
    old = {name: value for name, value in night().items() if name not in ("data", "settings", "verdicts", "trained_in")}
    page = rendered(told_of(stored(old, small_models), None, "none"))
    assert "there is none before" in page
    assert "Data in" not in page


def test_what_changed_is_what_differs_and_nothing_else() -> None:
    assert differences(night(4), night(3), measured) == differences(night(4), night(3), settings_of) == []
    other = night(4, models={"recommend": "als"}, settings={"segment": {"k": 5, "grid": {}}})
    assert differences(other, night(3), measured) == [("segment: model", "kmeans", None)]
    assert differences(other, night(3), settings_of) == [("segment: k", 4, 5)]


def test_candidates_are_told_by_the_settings_in_which_they_differ() -> None:
    tried = [
        {"settings": {"rank": 8, "reg": 0.1, "fold_in": {"reg": 5.0, "few": 1}}},
        {"settings": {"rank": 16, "reg": 0.1, "fold_in": {"reg": 9.0, "few": 1}}},
        {"settings": {"neighbours": 50}},
    ]
    assert apart(tried) == (["rank", "fold_in.reg"], [[8, 5.0], [16, 9.0], [None, None]])
    assert apart(tried[:1]) == ([], [[]])


def test_fidelity_is_drawn_by_lag_and_candidates_by_the_setting_that_was_tried() -> None:
    assert list(plots_of("recommend", night())) == ["fidelity"]
    drawings = drawings_of("segment", night())
    assert list(drawings) == ["silhouette by k"]
    drawing = ElementTree.fromstring(drawings["silhouette by k"])
    assert drawing.attrib["aria-label"] == "segment: silhouette by k"
    assert len(circles(drawing)) == 3 + 1


def circles(drawing: ElementTree.Element) -> list[ElementTree.Element]:
    return [part for part in drawing.iter() if part.tag.endswith("circle")]


def test_fidelity_that_is_borrowed_is_hollow_and_baselines_are_dotted() -> None:
    own = {"value": 0.3, "standard_error": 0.02, "cases": 60}
    lags = {"1": {**own, "borrowed": ["2-4"]}, "2-4": own}
    told = night(fidelity={"generation": 4, "measures": {"recommend": {"popular": lags, "speed": lags, "batch": lags}}})
    assert [line.name for line in plots_of("recommend", told)["fidelity"].lines] == ["batch", "speed", "popular"]
    drawing = ElementTree.fromstring(drawings_of("recommend", told)["fidelity"])
    classes = [circle.attrib["class"] for circle in circles(drawing)]
    assert classes == [*(f"s{line}{kind}" for line in range(3) for kind in (" hollow", "")), "s0", "s1", "s2"]
    assert [part.attrib["class"] for part in drawing.iter() if part.tag.endswith("path")] == ["s0", "s1", "s2 aside"]


def test_calibration_has_a_point_per_bin_with_its_error_beside_the_line_of_what_was_told() -> None:
    bins = [{"predicted": 0.04, "happened": 0.1, "count": 90}, {"predicted": 0.7, "happened": 0.5, "count": 4}]
    found = plots_of("churn", night(evidence={"churn": {"calibration": bins}}))["calibration"]
    assert [(line.points, line.aside) for line in found.lines] == [
        ([(0.04, 0.1), (0.7, 0.5)], False),
        ([(0.0, 0.0), (1.0, 1.0)], True),
    ]
    assert found.lines[0].errors == pytest.approx([(0.09 / 90) ** 0.5, 0.25])


def test_churn_s_cutoff_has_its_curves_and_features_their_drift(small_models: Models) -> None:
    rows = [{"name": "count:view", "measures": {"auc": 0.71}, "drift": 0.31}]
    rows.append({"name": "titles", "measures": {"auc": 0.5}, "drift": None})
    report = night(features={"churn": rows}, reasons={"sentiment": "one class only: label posts of another"})
    curve = [{"cutoff": cutoff, "precision": cutoff, "recall": 1 - cutoff, "cost": 3.0} for cutoff in (0.1, 0.5, 0.9)]
    told = {**told_of(stored(report, small_models), None, "none"), "curve": curve}
    assert list(drawings_of("churn", told)) == ["precision-recall", "cost"]
    page = rendered(told)
    assert 'aria-label="churn: precision by recall"' in page
    assert '<td>count:view</td><td class="n">0.710</td><td class="n bad">0.310</td>' in page
    assert '<td class="n">–</td></tr>' in page
    assert "one class only: label posts of another" in page


def test_two_settings_tried_at_once_have_no_curve() -> None:
    both = [
        {**trial(k, 0.3), "settings": {"k": k, "reg": reg}} for k in (2, 3) for reg in (0.1, 0.2)
    ]  # fmt: skip
    assert plots_of("segment", night(trials={"segment": both})) == {}
    assert plots_of("segment", night(trials={})) == {}


@pytest.mark.parametrize("values", [[0.5], [0.0, 0.0], [-1e-9, 1e9], list(np.linspace(-3, 3, 200))])
def test_any_figures_make_a_drawing_within_its_frame(values: list[float]) -> None:
    points = list(enumerate(values))
    drawing = ElementTree.fromstring(drawn(Plot("a & b", [Line("<one>", points, [0.1] * len(points))], "x", "y")))
    _, _, width, height = map(float, drawing.attrib["viewBox"].split())
    for part in drawing.iter():
        for name in ("x", "x1", "x2", "cx", "y", "y1", "y2", "cy"):
            if name in part.attrib:
                assert 0 <= float(part.attrib[name]) <= (width if "x" in name else height)


def test_names_that_do_not_fit_beside_one_another_go_to_the_next_row() -> None:
    names = ("a name of some length", "another name of such length", "the third")
    lines = [Line(name, [(place, place)]) for place, name in enumerate(names)]
    drawing = ElementTree.fromstring(drawn(Plot("", lines, "x", "y")))
    keys = [(float(part.attrib["cx"]), float(part.attrib["cy"])) for part in circles(drawing)[-3:]]
    assert keys[0][1] == keys[1][1] < keys[2][1]
    assert keys[0][0] == keys[2][0] < keys[1][0]


def test_figures_and_settings_in_words() -> None:
    shown = [figure(value) for value in (1234567, 0.123456, 1.0, None, True, "als")]
    assert shown == ["1,234,567", "0.123", "1.000", "–", "yes", "als"]
    assert [setting(value) for value in (0.00002, 320.0, 8, False)] == ["2e-05", "320", "8", "no"]
    assert [moved(*pair) for pair in ((5, 1005), (0.5, 0.25), (None, 3), ("als", "als2"))] == [
        "+1,000",
        "-0.250",
        "",
        "",
    ]
    assert dict(told_settings({"rank": 8, "fold_in": {"reg": 0.5}, "numeric": ["a", "b"], "grid": {"rank": [8]}})) == {
        "rank": 8, "fold_in.reg": 0.5, "numeric": "a b",
    }  # fmt: skip


def test_the_report_survives_json(small_models: Models) -> None:
    told = told_of(stored(night(), small_models), None, "none")
    assert rendered(msgspec.json.decode(msgspec.json.encode(told))) == rendered(told)


def test_what_the_night_did_without_is_said(small_models: Models) -> None:
    report = night(warnings=["generation 3 cannot be compared with"])
    assert "generation 3 cannot be compared with" in rendered(told_of(stored(report, small_models), None, ""))
