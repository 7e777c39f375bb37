#!/usr/bin/env bash
# Makes .venv with the pinned requirements and the project in it, has Java, and fetches the jars.
# Quiet but for progress; a second run finds the stamp and returns at once.
set -euo pipefail
cd "$(dirname "$0")/.."

VENV=.venv
STAMP=$VENV/.setup
ATTEMPTS=3

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
is_root() { [ "$(id -u)" = 0 ]; }

# What the environment was made from; a change of it brings it up to date.
inputs() { cat requirements.txt pyproject.toml deploy/*.lock deploy/setup.sh | sha256sum; pwd; }

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; }

find_python() {
  local candidate
  for candidate in python3.11 python3 python3.12 python3.13; do
    if command -v "$candidate" >/dev/null && fits "$candidate"; then echo "$candidate"; return; fi
  done
  return 1
}

# Usage: from_apt WHAT PACKAGES [OTHER PACKAGES]: as root installs the first that the system has; otherwise
# says the line to type and stops.
from_apt() {
  local install="apt-get install -y --no-install-recommends" line log
  line="apt-get update && $install $2${3:+ || $install $3}"
  command -v apt-get >/dev/null || fail "$1 is needed; install it and run make setup again"
  is_root || fail "$1 is needed; type  sudo sh -c '$line'  and run make setup again"
  say "installing $1 by apt-get"
  log=$(mktemp)
  DEBIAN_FRONTEND=noninteractive sh -c "$line" >"$log" 2>&1 || fail "apt-get failed: $(tail -3 "$log")"
  rm -f "$log"
}

retried() {
  local attempt
  for attempt in $(seq "$ATTEMPTS"); do
    if "$@"; then return; fi
    say "attempt $attempt of $ATTEMPTS failed: $1 ${2:-} ${3:-} ..."
    sleep $((attempt * 3))
  done
  fail "gave up; check the network and run make setup again"
}

java_fits() {
  local java=${JAVA_HOME:+$JAVA_HOME/bin/}java
  "$java" -version 2>&1 | grep -qE 'version "(1[7-9]|[2-9][0-9])'
}

make_venv() {
  local python
  python=$(find_python) || { from_apt "Python" "python3 python3-venv"; python=$(find_python); } \
    || fail "Python 3.11, 3.12 or 3.13 is needed; install one and run make setup again"
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then from_apt "python3-venv" "python3-venv"; fi
  say "virtual environment ($("$python" --version))"
  "$python" -m venv --clear "$VENV"
}

install() {
  local pip=("$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-input)
  say "packages ($(grep -c == requirements.txt), pinned)"
  retried "${pip[@]}" -r requirements.txt
  retried "${pip[@]}" --no-deps --no-build-isolation -e .
}

have_browser() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

# Usage: setup.sh browser: only what the tests of the console need.
if [ "${1:-}" = browser ]; then
  have_browser >/dev/null || from_apt "Chromium" chromium chromium-browser
  exit 0
fi
if [ -d var/jars/spark ] && [ -f "$STAMP" ] && [ "$(cat "$STAMP")" = "$(inputs)" ]; then exit 0; fi
began=$SECONDS
java_fits || from_apt "Java 17" openjdk-17-jre-headless default-jre-headless
fits "$VENV/bin/python" || make_venv
install
say "jars of Spark and Kafka"
"$VENV/bin/lambda-arch" setup >&2
inputs >"$STAMP"
say "done in $((SECONDS - began)) s"
