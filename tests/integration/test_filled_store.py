"""A store with something of everything: what is talked about, why somebody may leave, and whom to call."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from pathlib import Path
from typing import Any

import msgspec
import pytest
from filled_store import RISING, fill
from in_process import asked
from served import served
from store_server import StoreServer
from test_api import FIDELITY, NOW, record
from test_members import risk_of
from typer.testing import CliRunner

from jobs.cli import app as console
from lambda_arch.checking import Limits, checked_event
from lambda_arch.clock import HOUR, rfc3339, wall_now
from lambda_arch.commits import Commit
from lambda_arch.config import Config, load_config
from lambda_arch.fidelity import Blend, Measure
from lambda_arch.models import Models
from lambda_arch.records import Prediction, encode
from lambda_arch.store import Store
from lambda_arch.talked_about import note_trending
from lambda_arch.tiles import Account, Profile, Tile
from serving.app import create_app

pytestmark = pytest.mark.servers
BLEND = Blend(0.25, Measure(0.05, 0.01, 99))  # of the speed layer's weight, and its gain


def talked(title: str, direction: str, score: float, hours: int) -> Prediction:
    """A title that is talked about out of the usual, with its newest post so many hours ago."""
    pace = {"direction": direction, "posts": 40, "usual": 10.5, "score": score}
    changes = {"value": RISING.value | {"pace": pace}, "as_of": rfc3339(NOW - hours * HOUR)}
    return record("sentiment", f"t:{title}", "speed", **changes)


@pytest.fixture(scope="module")
def config(server: StoreServer, small_models: Models) -> Config:
    """Titles b, c and d rise, e falls, customer 42 has an account, and for customer `both` a blend is better."""
    store = Store(server.url, 1)
    fill(store, small_models)
    said = [talked("c", "rising", 9.5, 2), talked("d", "rising", 4.5, 30), talked("e", "falling", -5.5, 3)]
    store.commit([Commit(one.entity, 0, 0, b"", [one]) for one in said])
    note_trending(store, said)
    account = Account(NOW - 9 * HOUR, 1, {"tenure": "3"})
    profile = Profile(Tile({"account": 1}, first=account.time, last=account.time, account=account))
    churn = encode(record("churn", "u:42", "batch", value=risk_of(0.55)))
    store.publish(2, [("u:42", {"churn": churn, "profile": msgspec.msgpack.encode(profile)})])
    models = store.models(2)
    assert models
    store.put_models(models, msgspec.structs.replace(FIDELITY, blends={"churn": {"2-4": BLEND}}))
    store.publish(2, [("u:both", {"churn": encode(record("churn", "u:both", "batch", value=risk_of(0.2)))})])
    store.commit([Commit("u:both", 0, 0, b"", [record("churn", "u:both", "speed", value=risk_of(0.6))])])
    store.redis.close()
    return load_config({"LAMBDA_ARCH__STORE__URL": server.url, "LAMBDA_ARCH__CLOCK": "event"})


def told(config: Config, path: str) -> Any:
    [reply] = asked(create_app(config), [path])
    assert reply.status_code == 200, reply.text
    return reply.json()


def printed(config: Config, *arguments: str) -> str:
    environment = {"LAMBDA_ARCH__STORE__URL": config.store.url, "LAMBDA_ARCH__CLOCK": "event", "COLUMNS": "160"}
    result = CliRunner().invoke(console, list(arguments), env=environment, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize(
    ("parameters", "titles"),
    [
        pytest.param("", ["c", "b", "e"], id="the furthest from their usual first, those that fall after them"),
        pytest.param("?n=1", ["c", "e"], id="so many of each direction"),
        pytest.param("?hours=48", ["c", "b", "d", "e"], id="also those without a post for a day"),
        pytest.param("?hours=1.5", ["b"], id="those with a post of late alone"),
        pytest.param("?direction=rising", ["c", "b"], id="those that rise"),
        pytest.param("?direction=falling&hours=48", ["e"], id="those that fall"),
    ],
)
def test_what_is_talked_about_out_of_the_usual(config: Config, parameters: str, titles: list[str]) -> None:
    assert [one["title_id"] for one in told(config, f"/v1/trending{parameters}")["titles"]] == titles


def test_the_command_line_tells_the_same_of_what_is_talked_about(config: Config) -> None:
    assert json.loads(printed(config, "trending", "--json")) == told(config, "/v1/trending")
    few = json.loads(printed(config, "trending", "-n", "1", "--hours", "48", "--json"))
    assert few["titles"] == told(config, "/v1/trending?n=1&hours=48")["titles"]
    table = printed(config, "trending")
    for text in ("c The C rising", "+9.5", "falling"):
        assert text in " ".join(table.split())


def test_what_makes_somebody_leave_is_told_with_its_sign_and_adds_up(config: Config) -> None:
    churn = told(config, "/v1/users/42/explain")["made_of"]["churn"]
    [tenure] = churn["reasons"]
    assert (tenure["feature"], tenure["contribution"]) == ("number:tenure", pytest.approx(-0.3))
    assert churn["log_odds"] == pytest.approx(churn["intercept"] + tenure["contribution"]) == pytest.approx(0.2)
    assert "number:tenure" in printed(config, "explain", "user", "42")


@pytest.mark.parametrize(
    ("policy", "layer", "probability"),
    [
        pytest.param({"blend": True}, "blend", 0.3, id="where it is wanted and better by more than the margin"),
        pytest.param({"blend": True, "margin_errors": 6}, "speed", 0.6, id="not where it may be no better"),
        pytest.param({}, "speed", 0.6, id="not where it is not wanted"),
    ],
)
def test_a_blend_goes_out_named_and_counted(
    config: Config, policy: dict[str, Any], layer: str, probability: float
) -> None:
    churn = config.serving.policies.churn.model_copy(update=policy)
    policies = config.serving.policies.model_copy(update={"churn": churn})
    serving = config.serving.model_copy(update={"policies": policies})
    app = create_app(config.model_copy(update={"serving": serving}))
    answer, metrics, live = asked(app, ["/v1/users/both/churn", "/metrics", "/v1/live?count=1"])
    assert (answer.json()["layer"], answer.json()["value"]["probability"]) == (layer, probability)
    weights = {one["layer"]: one["weight"] for one in answer.json()["decision"]["sources"]}
    assert weights == ({"batch": 0.75, "speed": 0.25} if layer == "blend" else {})
    assert f'lambda_arch_decisions_total{{layer="{layer}",rule=' in metrics.text
    beat = json.loads(live.text.strip().split("data: ")[1])
    assert beat["answered"]["layers"][layer] == sum(beat["answered"]["layers"].values()) == 1


ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# A line of curl, with those that it goes on in, and without what its answer goes into.
CURL = re.compile(r"^(?:\$ )?curl ((?:[^\n|>#\\]|\\\n)*:18080(?:[^\n|>#\\]|\\\n)*)", re.MULTILINE)


class Curl(argparse.ArgumentParser):
    """What the documents use of curl."""

    def __init__(self) -> None:
        super().__init__()
        self.add_argument("url")
        self.add_argument("-d", "--data", default="")
        self.add_argument("-H", "--header", action="append", default=[])
        self.add_argument("-X", "--request")
        self.add_argument("-s", "-i", action="store_true", dest="told")

    @classmethod
    def of(cls, line: str) -> tuple[str, str, dict[str, str], bytes]:
        """Method, path with query, headers and body."""
        asked = cls().parse_args(shlex.split(line.replace("\\\n", " ")))
        method = asked.request or ("POST" if asked.data else "GET")
        headers = dict(header.split(": ", 1) for header in asked.header if "…" not in header)
        return method, asked.url.partition(":18080")[2], headers, asked.data.encode()


EXAMPLES = [Curl.of(line) for document in DOCUMENTS for line in CURL.findall(document.read_text("utf-8"))]


def test_every_question_of_the_documents_is_answered(config: Config) -> None:
    handed_in = [body for _, path, _, body in EXAMPLES if path == "/v1/events"]
    asked_for = [one for one in EXAMPLES if one[0] != "DELETE" and one[1] != "/v1/events"]
    assert (len(handed_in) > 0, len(asked_for) > 12) == (True, True)
    limits = Limits(config.events.max_bytes, wall_now())
    assert [checked_event(body, limits) for body in handed_in if isinstance(checked_event(body, limits), tuple)] == []
    with served(config) as client:
        for method, path, headers, body in asked_for:
            reply = client.request(method, path, headers=headers, content=body)
            assert reply.status_code == 200, (path, reply.text)


@pytest.mark.parametrize(("cutoff", "count"), [(0.95, 0), (0.9, 100), (0.5, 101)])
def test_a_cutoff_of_the_command_line_is_that_of_the_api(config: Config, cutoff: float, count: int) -> None:
    found = json.loads(printed(config, "at-risk", "-n", "200", "--cutoff", str(cutoff), "--json"))
    assert found == told(config, f"/v1/churn/at-risk?n=200&cutoff={cutoff}")["items"]
    assert len(found) == count
