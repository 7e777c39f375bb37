"""What README and docs name is there: links and headings, files, commands with their options, addresses, settings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import typer.main
from pydantic import BaseModel

from jobs.cli import app as console
from lambda_arch.config import PREFIX, Config, load_config
from serving.app import create_app

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND = re.compile(r"(?<![\w.-])lambda-arch ([a-z][^`|#\n]*)")
ADDRESS = re.compile(r"(?:(?<![\w.])|(?<=:18080))(/v1/[^\s`'\"|,;)<*]*)")
FOLDERS = "audience_client|batch|benchmarks|demo|deploy|jobs|lambda_arch|serving|streaming|tests"
FILE = re.compile(rf"\b(?:{FOLDERS})/[\w/]+\.py\b")
SETTING = re.compile(rf"\b{PREFIX}([A-Z_]+)=")


def by_document(found: Any) -> Any:
    """The test's argument `document`, one of all, by its path."""
    return pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))(found)


def anchors(document: Path) -> set[str]:
    """What a link may name after `#`, as GitHub makes it of headings."""
    headings = re.findall(r"^#+ (.*)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


@by_document
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text("utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = document.parent / path if path else document
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def test_every_document_is_linked_from_another() -> None:
    linked = {
        (document.parent / target.partition("#")[0]).resolve()
        for document in DOCUMENTS
        for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text("utf-8"))
    }
    assert [str(path) for path in DOCUMENTS[1:] if path not in linked] == []


@by_document
def test_files_that_are_named_are_there(document: Path) -> None:
    assert [name for name in FILE.findall(document.read_text("utf-8")) if not (ROOT / name).is_file()] == []


@by_document
def test_commands_that_are_named_are_there_with_their_options(document: Path) -> None:
    for line in COMMAND.findall(document.read_text("utf-8")):
        words = shlex.split(line.replace("…", "").replace("'", ""))
        command = console_command()
        while words and hasattr(command, "commands") and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        assert command is not console_command(), line
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        asked = {word.partition("=")[0].rstrip(".,:;)") for word in words if re.match(r"--?[a-z]", word)}
        assert asked <= known | {"--help"}, line


@cache
def console_command() -> Any:
    return typer.main.get_command(console)


@by_document
def test_addresses_that_are_named_are_in_the_description(document: Path) -> None:
    for address in ADDRESS.findall(document.read_text("utf-8")):
        path, _, query = address.rstrip(".:").partition("?")
        found = list(operations(path))
        assert found or path.endswith(("/…", "/")), address
        known = {one["name"] for operation in found for one in operation.get("parameters", ())}
        asked = {name for part in query.split("&") for name in parse_qs(part, keep_blank_values=True)}
        assert not asked or asked <= known, address


def test_every_address_is_named_somewhere() -> None:
    named = [address.partition("?")[0].rstrip(".:") for document in DOCUMENTS
             for address in ADDRESS.findall(document.read_text("utf-8"))]  # fmt: skip
    forgotten = [template for template in described() if template.startswith("/v1/")
                 and not any(re.fullmatch(pattern(template), address) for address in named)]  # fmt: skip
    assert forgotten == []


def pattern(template: str) -> str:
    """What an address looks like whose ids may be any word."""
    return re.sub(r"\\\{.*?\\\}", r"[^/]+", re.escape(template))


@cache
def described() -> dict[str, Any]:
    paths: dict[str, Any] = create_app(load_config({})).openapi()["paths"]
    return paths


def operations(path: str) -> Iterator[dict[str, Any]]:
    """What may be asked at an address; ids in it may be any word."""
    for template, methods in described().items():
        if re.fullmatch(pattern(template), path):
            yield from methods.values()


@by_document
def test_settings_that_are_named_for_the_environment_are_there(document: Path) -> None:
    for name in SETTING.findall(document.read_text("utf-8")):
        section: Any = Config
        for key in name.lower().split("__"):
            assert isinstance(section, type), name
            assert issubclass(section, BaseModel), name
            assert key in section.model_fields, name
            section = section.model_fields[key].annotation
