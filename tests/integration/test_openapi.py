"""The API asked whatever its description allows, and what it does not: it does as the description says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import requests
import schemathesis
from api_process import Api, api_process
from filled_store import fill
from hypothesis import HealthCheck, settings
from schemathesis import Case, GenerationMode
from speed_stack import FETCHED, speed_config

from deploy import servers
from lambda_arch.clock import wall_now
from lambda_arch.config import load_config
from lambda_arch.models import Models
from lambda_arch.store import Store
from serving.access.keys import KeysFile, Terms, new_key
from serving.app import create_app

pytestmark = pytest.mark.servers
ENDLESS = "/v1/live"  # events until the reader goes: tests/integration/test_console.py
SCHEMA = schemathesis.openapi.from_dict(create_app(load_config({})).openapi()).exclude(path=ENDLESS)
SCHEMA.config.generation.update(modes=list(GenerationMode))
# What a schema cannot say of a question that is refused: parts that do not fit together (422), too much in all.
SCHEMA.config.checks.positive_data_acceptance.expected_statuses += ["422", "414"]
SCHEMA.config.checks.negative_data_rejection.expected_statuses += ["413", "414"]
REFUSED = re.compile(
    "placement: there is no|max_rating: unknown rating|want both costs or neither|want either a cutoff or costs|"
    "cursor: want one that a page before gave|records? break a rule, nothing was sent|want 1 to 1,000 together|"
    "Expected `int`, got `float`"  # of 2.0, which JSON Schema counts among the integers
)


@schemathesis.serializer("application/x-ndjson")
def lines(_: Any, value: Any) -> Any:
    return (value if isinstance(value, str) else json.dumps(value)).encode()


class Asked(NamedTuple):
    """A running API, and a session with a key for all of it."""

    api: Api
    session: requests.Session


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, small_models: Models) -> Iterator[Asked]:
    """A process over a real broker and a real store with something for every address, open to one key alone."""
    folder = tmp_path_factory.mktemp("openapi")
    plain = speed_config(folder / "var")
    file = KeysFile(folder / "keys.json")
    key, token = new_key(Terms(name="t", scopes=("read", "write", "admin"), rate=1e6, burst=10**6), wall_now())
    file.add(key)
    access = plain.serving.access.model_copy(update={"keys_file": file.path})
    serving = plain.serving.model_copy(update={"access": access})
    config = plain.model_copy(update={"clock": "event", "serving": serving})
    with servers.running(config, ["kafka", "store"], jars=FETCHED if FETCHED.is_dir() else None):
        store = Store(config.store.url, 1)
        fill(store, small_models)
        store.redis.close()
        with api_process(config, folder) as api, requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {token}"
            yield Asked(api, session)


@SCHEMA.parametrize()
@settings(max_examples=15, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_it_is_documented(case: Case, asked: Asked) -> None:
    reply = case.call_and_validate(base_url=f"http://127.0.0.1:{asked.api.port}", session=asked.session)
    assert reply.status_code < 500
    if reply.status_code == 422 and case.meta and case.meta.generation.mode is GenerationMode.POSITIVE:
        assert REFUSED.search(reply.json()["detail"]), reply.text
