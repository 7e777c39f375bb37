from __future__ import annotations

import configparser
import json
import os
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy import servers
from deploy.cleaning import clean
from deploy.doctor import doctor
from deploy.ports import PortTakenError, free_ports, is_free, on_free_ports, require_free
from deploy.programs import default_names, programs, server_properties, store_conf
from deploy.servers import ServerError
from deploy.supervision import Supervisor
from jobs.cli import app
from lambda_arch.config import Config, ConfigError, load_config


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return on_free_ports(load_config({}), tmp_path / "var")


def rendered(config: Config) -> configparser.ConfigParser:
    parser = configparser.RawConfigParser()
    parser.read_string(Supervisor(config.paths.var).rendered(programs(config)))
    return parser


def with_speed(config: Config, **values: object) -> Config:
    return config.model_copy(update={"speed": config.speed.model_copy(update=values)})


def test_every_program_is_kept_up_and_none_starts_by_itself(config: Config) -> None:
    parser = rendered(config)
    names = [section.removeprefix("program:") for section in parser.sections() if section.startswith("program:")]
    assert names == ["kafka", "store", "archive", "gate", "scorer", "api", "scheduler"]
    for name in names:
        program = parser[f"program:{name}"]
        assert (program["autostart"], program["autorestart"], program["killasgroup"]) == ("false", "true", "true")
        assert program["stdout_logfile"] == str(config.paths.var / "log" / f"{name}.log")


def test_there_are_as_many_scorers_as_configured_each_with_its_log(config: Config) -> None:
    scorer = rendered(with_speed(config, scorers=3))["program:scorer"]
    assert scorer["numprocs"] == "3"
    assert scorer["process_name"] == "scorer-%(process_num)d"
    assert scorer["stdout_logfile"].endswith("scorer-%(process_num)d.log")


def test_microbatch_mode_has_no_scorers(config: Config) -> None:
    assert "scorer" not in [program.name for program in programs(with_speed(config, mode="microbatch"))]


def test_changed_settings_change_the_jobs_but_not_the_servers(config: Config) -> None:
    before, after = rendered(config), rendered(with_speed(config, scorer_batch=7))
    changed = [name for name in before.sections() if dict(before[name]) != dict(after[name])]
    assert changed == ["program:archive", "program:gate", "program:scorer", "program:api", "program:scheduler"]


def test_servers_that_are_configured_elsewhere_are_not_started_here(config: Config) -> None:
    elsewhere = config.model_copy(
        update={
            "kafka": config.kafka.model_copy(update={"bootstrap": "broker.internal:9092"}),
            "store": config.store.model_copy(update={"url": "redis://store.internal:6379/0"}),
        }
    )
    assert default_names(elsewhere) == ["archive", "gate", "scorer", "api"]


def test_the_broker_listens_here_only_and_takes_more_than_a_valid_record(config: Config) -> None:
    settings = dict(line.split("=", 1) for line in server_properties(config).splitlines())
    assert settings["listeners"] == (
        f"PLAINTEXT://127.0.0.1:{config.embedded.kafka_port},CONTROLLER://127.0.0.1:{config.embedded.controller_port}"
    )
    assert int(settings["message.max.bytes"]) > config.events.max_bytes
    assert settings["auto.create.topics.enable"] == "false"


def test_the_store_listens_here_only_and_never_evicts(config: Config) -> None:
    lines = store_conf(config).splitlines()
    assert "bind 127.0.0.1" in lines
    assert "maxmemory-policy noeviction" in lines
    assert "appendonly no" in lines


def test_a_percent_sign_in_a_path_survives_the_configuration(tmp_path: Path) -> None:
    var = tmp_path / "100%"
    assert f"{var}/run/supervisord.pid".replace("%", "%%") in Supervisor(var).rendered([])


def test_a_socket_path_too_long_for_the_system_becomes_a_short_one_per_folder(tmp_path: Path) -> None:
    deep, other = tmp_path / ("x" * 120), tmp_path / ("y" * 120)
    assert len(os.fsencode(Supervisor(deep).socket)) < 90
    assert Supervisor(deep).socket == Supervisor(deep).socket != Supervisor(other).socket


def test_a_taken_port_is_told_with_its_setting_and_its_owner() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(PortTakenError) as caught:
            require_free([("embedded.store_port", port)])
    message = str(caught.value)
    for part in (f"port {port}", f"process {os.getpid()}", "python", "LAMBDA_ARCH__EMBEDDED__STORE_PORT"):
        assert part in message


def test_free_ports_are_different_and_free() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    require_free(("any", port) for port in ports)


def test_up_refuses_a_taken_port_before_anything_is_started(config: Config) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", config.embedded.store_port))
        taken.listen()
        with pytest.raises(PortTakenError, match=r"embedded\.store_port"):
            servers.up(config, ["store"])
    assert Supervisor(config.paths.var).processes() == []


def test_an_unknown_program_is_refused_naming_the_known(config: Config) -> None:
    with pytest.raises(ServerError, match="no program nonsense; there are kafka, store"):
        servers.up(config, ["nonsense"])


def test_without_supervisord_everything_is_stopped_and_down_is_harmless(config: Config) -> None:
    servers.down(config)
    assert {status.state for status in servers.status(config)} == {"STOPPED"}


def test_cleaning_leaves_nothing(config: Config) -> None:
    for name in ("jars", "lake", "run"):
        (config.paths.var / name).mkdir(parents=True)
    (config.paths.var / "clock").touch()
    assert [path.name for path in clean(config)] == ["clock", "jars", "lake", "run"]
    assert [path.name for path in config.paths.var.iterdir()] == []


def test_cleaning_refuses_a_folder_that_holds_more_than_state(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    config.paths.var.mkdir()
    monkeypatch.chdir(config.paths.var)
    with pytest.raises(ConfigError, match="nothing was deleted"):
        clean(config)


def test_the_doctor_names_a_remedy_for_what_is_missing_and_the_holder_of_a_port(config: Config) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", config.serving.port))
        taken.listen()
        checks = {check.name: check for check in doctor(config)}
    assert checks["python"].ok and checks["spark and delta"].ok
    assert (checks["jars"].ok, checks["jars"].remedy) == (False, "lambda-arch setup")
    assert checks["ports"].found == f"serving.port taken by process {os.getpid()}"
    assert not checks["store"].ok
    assert "127.0.0.1" in checks["kafka"].found


def test_status_is_json_where_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMBDA_ARCH__PATHS__VAR", str(tmp_path))
    told = CliRunner().invoke(app, ["status", "--json"])
    said = json.loads(told.stdout)
    assert {state["state"] for state in said["programs"]} == {"STOPPED"}
    assert said["scorers"] == []
