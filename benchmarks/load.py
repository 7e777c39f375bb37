"""Requests of many connections at once, by wrk: how many are answered in a second, and how long the slowest take."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

CONNECTIONS, SECONDS = 32, 4
# Every ANY of path and body is a number drawn for the request.
_SCRIPT = """
math.randomseed(20160101)
local body, kind = %(body)s, "application/json"
request = function()
  local drawn = function() return math.random(0, %(users)d - 1) end
  local path = string.gsub("%(path)s", "ANY", drawn)
  if not body then return wrk.format("GET", path) end
  return wrk.format("POST", path, {["Content-Type"] = kind}, (string.gsub(body, "ANY", drawn)))
end
done = function(summary, latency)
  io.write(string.format("FOUND %%f %%f %%f %%d\\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout))
end
"""
_FOUND = re.compile(r"^FOUND (\S+) (\S+) (\S+) (\d+)$", re.MULTILINE)


class Load(NamedTuple):
    """What a server sustained: requests a second, and milliseconds."""

    per_second: float
    p50: float
    p99: float


def load(port: int, path: str, numbers: int, body: str | None = None, connections: int = CONNECTIONS) -> Load:
    """What the server sustains at a path; every ANY in it, and in what is posted, is one of so many numbers.

    Raises RuntimeError where an answer is an error, or there is no wrk.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise RuntimeError("load is made by wrk: install it (`apt-get install wrk`) and measure again")
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        lua = _SCRIPT % {"body": "nil" if body is None else f"[==[{body}]==]", "path": path, "users": numbers}
        Path(script.name).write_text(lua, encoding="utf-8")
        command = [wrk, "-t1", f"-c{connections}", f"-d{SECONDS}s", "-s", script.name, f"http://127.0.0.1:{port}"]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = _FOUND.search(told)
    if found is None or found[4] != "0":
        raise RuntimeError(f"not every request at {path} was answered: {told}")
    return Load(*map(float, found.groups()[:3]))
