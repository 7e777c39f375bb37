"""API keys: make one, list them, revoke one. The file has their hashes; a running API follows it within a second."""

from __future__ import annotations

import json
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from deploy.servers import in_use
from lambda_arch.clock import wall_now
from lambda_arch.config import load_config
from serving.access.keys import Key, KeysFile, Terms, new_key
from serving.access.scopes import SCOPES, Scope

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of sentences.")]
Scopes = Annotated[list[str], typer.Option("--scope", help="read, write or admin, which may all; again for another.")]

app = typer.Typer(help="API keys: create, list, revoke.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whom or what it is for.")],
    scope: Scopes,
    days: Annotated[int | None, typer.Option(min=1, help="It expires after so many days.")] = None,
    rate: Annotated[float | None, typer.Option(min=0.001, help="Requests a second, instead of the configured.")] = None,
    burst: Annotated[int | None, typer.Option(min=1, help="Requests at once, instead of the configured.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and show it, once: only its hash is kept. With the first key the API has no open door."""
    terms = Terms(name=name, scopes=_scopes(scope), days=days, rate=rate, burst=burst)
    key, token = new_key(terms, wall_now())
    file = _file()
    file.add(key)
    if as_json:
        typer.echo(json.dumps({**_told(key), "key": token}))
        return
    typer.echo(token)
    typer.echo(f"key {key.id} ({', '.join(key.scopes)}) is in {file.path}; the line above is shown this once", err=True)


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List the keys, revoked and expired ones too; never the secrets, which nobody has."""
    keys, now = _file().read(), wall_now()
    if as_json:
        typer.echo(json.dumps([_told(key) for key in keys]))
        return
    table = Table("id", "name", "scopes", "state", "created", "expires", "rate", box=None, pad_edge=False)
    for key in keys:
        rate = f"{key.rate or 'configured'}, {key.burst or 'configured'} at once"
        table.add_row(
            key.id, key.name, ", ".join(key.scopes), _state(key, now), key.created_at, key.expires_at or "never", rate
        )
    Console().print(table if keys else "no keys: the API is open to this machine, and listens on no other address")


@app.command()
def revoke(
    identity: Annotated[str, typer.Argument(metavar="ID", help="The key's id.")], as_json: AsJson = False
) -> None:
    """Revoke a key; a running API refuses it within a second."""
    key = _file().revoke(identity, wall_now())
    typer.echo(json.dumps(_told(key)) if as_json else f"key {key.id} ({key.name}) is revoked since {key.revoked_at}")


def _file() -> KeysFile:
    return KeysFile(in_use(load_config()).serving.access.keys_file)


def _scopes(names: list[str]) -> tuple[Scope, ...]:
    wanted = tuple(scope for scope in SCOPES if scope in names)
    if unknown := [name for name in names if name not in SCOPES]:
        raise typer.BadParameter(f"{unknown[0]}: want one of {', '.join(SCOPES)}", param_hint="--scope")
    return wanted


def _told(key: Key) -> dict[str, object]:
    return {name: value for name, value in msgspec.to_builtins(key).items() if name != "digest"}


def _state(key: Key, now: int) -> str:
    if key.revoked_at:
        return "revoked"
    return "in force" if key.is_in_force(now) else "expired"
