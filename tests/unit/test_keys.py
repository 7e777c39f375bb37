"""Who may ask what and how often: tables of scopes, keys by clock, a file that is written, broken, lost, and rates."""

from __future__ import annotations

import hmac
import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from jobs.cli import app
from lambda_arch.clock import DAY
from serving.access.keyring import Keyring
from serving.access.keys import Key, KeysError, KeysFile, Terms, new_key
from serving.access.rates import Rate, Rates
from serving.access.scopes import SCOPES, allows, scope_of

NOW = 1_500_000_000_000_000


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.parametrize(
    ("method", "path", "wanted"),
    [
        pytest.param("GET", "/health", None, id="whether it is alive, anybody may ask"),
        pytest.param("GET", "/metrics", None, id="how it does, too"),
        pytest.param("GET", "/ready", "read", id="what is missing is no stranger's business"),
        pytest.param("GET", "/", "read", id="the console needs a key as well"),
        pytest.param("GET", "/openapi.json", "read", id="so does the description"),
        pytest.param("POST", "/health", "admin", id="open is only to ask"),
        pytest.param("GET", "/v1/users/42/churn", "read", id="answers are read"),
        pytest.param("POST", "/v1/sessions/recommendations", "read", id="a question too long for an address is read"),
        pytest.param("POST", "/v1/predictions", "read", id="so are many questions at once"),
        pytest.param("POST", "/v1/events", "write", id="events are written"),
        pytest.param("POST", "/v1/posts", "write", id="posts are written"),
        pytest.param("GET", "/v1/events", "read", id="to read where one writes is to read"),
        pytest.param("DELETE", "/v1/users/42", "admin", id="to erase is for admins"),
        pytest.param("GET", "/v1/users/42/export", "admin", id="all of one person is for admins"),
        pytest.param("GET", "/v1/users/a/b/export", "admin", id="also of one whose id has a slash"),
        pytest.param("GET", "/v1/users/export/churn", "read", id="somebody may be called export"),
        pytest.param("GET", "/v1/generations", "read", id="generations are no secret"),
        pytest.param("POST", "/v1/generations/rollback", "admin", id="to roll back is for admins"),
        pytest.param("GET", "/v1/quarantine", "admin", id="the quarantine has records as they came"),
        pytest.param("PUT", "/v1/whatever", "admin", id="what is not known is for admins"),
        pytest.param("OPTIONS", "/v1/users/42/churn", "read", id="to ask what may be asked is to ask"),
    ],
)
def test_every_address_asks_for_one_scope(method: str, path: str, wanted: str | None) -> None:
    assert scope_of(method, path) == wanted


@given(st.text(), st.text())
def test_no_request_is_without_a_verdict(method: str, path: str) -> None:
    assert scope_of(method, path) in (*SCOPES, None)


def test_scopes_stand_apart_but_for_admins() -> None:
    pairs = {(have, need) for have in SCOPES for need in SCOPES if allows((have,), need)}
    assert pairs == {("read", "read"), ("write", "write"), *(("admin", need) for need in SCOPES)}


def made(file: KeysFile, **terms: object) -> tuple[Key, str]:
    key, token = new_key(Terms(name="n", scopes=("read",), **terms), NOW)  # type: ignore[arg-type]
    file.add(key)
    return key, token


@pytest.fixture
def file(tmp_path: Path) -> KeysFile:
    return KeysFile(tmp_path / "access" / "keys.json")


def test_the_file_has_no_secret_and_is_its_owners_alone(file: KeysFile) -> None:
    key, token = made(file)
    assert file.read() == (key,)
    assert token.split("_", 2)[2] not in file.path.read_text()
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("cut", [slice(0, -1), slice(0, 0), slice(0, 20), slice(3, None)])
def test_what_is_not_the_whole_key_opens_nothing(file: KeysFile, cut: slice) -> None:
    key, token = made(file)
    ring = Keyring(file, now=lambda: NOW)
    assert ring.key(token) == key
    assert ring.key(token[cut]) is None
    assert ring.key(f"la_{key.id}_{token}") is None


def test_a_wrong_secret_takes_as_long_as_the_right_one(file: KeysFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time cannot be told from the noise in a test: what is held is which comparison is made, and of hashes alone."""
    (key, token), compared = made(file), list[tuple[str, str]]()
    alike = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda one, other: compared.append((one, other)) or alike(one, other))
    wrong = token[:-1] + ("a" if token[-1] != "a" else "b")
    assert [key.opens(token), key.opens(wrong)] == [True, False]
    assert [pair[0] for pair in compared] == [key.digest, key.digest]
    assert all(len(other) == len(key.digest) and other != token for _, other in compared)


def test_a_key_opens_until_it_expires_or_is_revoked(file: KeysFile) -> None:
    key, token = made(file, days=2)
    opened = [Keyring(file, now=lambda at=at: at).key(token) is not None for at in (NOW, NOW + 2 * DAY - 1)]  # type: ignore[misc]
    assert opened == [True, True]
    assert Keyring(file, now=lambda: NOW + 2 * DAY).key(token) is None
    file.revoke(key.id, NOW)
    assert file.revoke(key.id, NOW + 5) == file.read()[0]
    ring = Keyring(file, now=lambda: NOW)
    assert (ring.key(token), ring.is_set()) == (None, True)


def test_a_revoked_key_is_refused_after_the_next_look(file: KeysFile) -> None:
    (key, token), clock = made(file), Clock()
    ring = Keyring(file, now=lambda: NOW, clock=clock)
    file.revoke(key.id, NOW)
    clock.seconds += 1
    assert ring.key(token) is None


@pytest.mark.parametrize("harm", ["delete", "break", "empty"])
def test_a_file_that_is_harmed_opens_nothing(file: KeysFile, harm: str) -> None:
    made(file)
    clock = Clock()
    ring = Keyring(file, now=lambda: NOW, clock=clock)
    if harm == "delete":
        file.path.unlink()
    else:
        file.path.write_text("{" if harm == "break" else '{"schema": 1, "keys": []}')
    clock.seconds += 1
    assert ring.is_set()


def test_the_first_key_closes_the_door_of_a_running_api(file: KeysFile) -> None:
    clock = Clock()
    ring = Keyring(file, now=lambda: NOW, clock=clock)
    assert not ring.is_set()
    _, token = made(file)
    clock.seconds += 1
    assert ring.is_set()
    assert ring.key(token)


@pytest.mark.parametrize(
    ("content", "told"), [("{", "mend the file"), ('{"schema": 9, "keys": []}', "upgrade first"), ("[]", "mend")]
)
def test_a_file_that_is_none_is_named_with_the_remedy(file: KeysFile, content: str, told: str) -> None:
    file.path.parent.mkdir()
    file.path.write_text(content)
    with pytest.raises(KeysError, match=told):
        Keyring(file)


def test_a_burst_and_then_one_by_one() -> None:
    clock = Clock()
    rates, rate = Rates(clock), Rate(per_second=2, burst=3)
    assert [rates.wait("a", rate) for _ in range(5)] == [0, 0, 0, 0.5, 0.5]
    assert rates.wait("b", rate) == 0
    clock.seconds += 0.5
    assert [rates.wait("a", rate) for _ in range(2)] == [0, 0.5]
    clock.seconds += 60
    assert [rates.wait("a", rate) for _ in range(4)] == [0, 0, 0, 0.5]


@given(st.lists(st.floats(0, 3), min_size=1, max_size=80), st.integers(1, 5), st.sampled_from([0.5, 1.0, 4.0]))
def test_never_more_than_the_burst_and_the_rate_in_any_span(pauses: list[float], burst: int, per_second: float) -> None:
    clock, taken = Clock(), list[float]()
    rates, rate = Rates(clock), Rate(per_second, burst)
    for pause in pauses:
        clock.seconds += pause
        if not rates.wait("a", rate):
            taken.append(clock.seconds)
    for first, start in enumerate(taken):
        for last, end in enumerate(taken[first:], start=first):
            assert last - first + 1 <= burst + (end - start) * per_second + 1e-6


def test_the_command_line_makes_lists_and_revokes(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    environment = {"LAMBDA_ARCH__SERVING__ACCESS__KEYS_FILE": str(path), "LAMBDA_ARCH__PATHS__VAR": str(tmp_path)}

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["keys", *arguments], env=environment)
        assert done.exit_code == 0, done.output
        return done.stdout

    made = json.loads(run("create", "shop", "--scope", "write", "--scope", "read", "--rate", "5", "--json"))
    assert (made["scopes"], made["rate"], "digest" in made) == (["read", "write"], 5.0, False)
    assert Keyring(KeysFile(path)).key(made["key"])
    run("revoke", made["id"])
    [listed] = json.loads(run("list", "--json"))
    assert listed["revoked_at"]
    assert {"key", "digest"}.isdisjoint(listed)
    assert "revoked" in run("list")
