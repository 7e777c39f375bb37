# Everything is started from here; continuous integration calls these targets and nothing else.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
WORKERS := 2
PACKAGES := lambda_arch streaming batch jobs serving deploy demo generate
SOURCES := $(shell find $(PACKAGES) -type f -not -path '*/__pycache__/*' 2>/dev/null)

.PHONY: help setup demo test check quality bench up down status clean

help: ## This list
	@grep -hE '^[a-z_./]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-24s %s\n", $$1, $$2}'

setup: ## A virtual environment with everything pinned, and the jars; under a second when it is there
	@deploy/setup.sh

demo: setup ## The whole thing on this machine: servers, replayed log, night, answers
	@$(BIN)/lambda-arch demo

test: setup ## All tests, in two processes (WORKERS=N: in so many), each with a Spark session and a store of its own
	@deploy/setup.sh browser
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations 25

check: setup ## Lint, format, types, direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

quality: setup ## Quality on real data beside others' on the same; writes var/quality.json
	@$(BIN)/python -m benchmarks.quality $(NAMES)

bench: setup ## Speed and size beside the usual way; writes var/bench.json
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.bench $(NAMES)

up: setup ## Start servers and jobs
	@$(BIN)/lambda-arch up

down: ## Stop them all
	@$(BIN)/lambda-arch down

status: ## What runs
	@$(BIN)/lambda-arch status

clean: ## Stop them all and delete var/: state, logs, fetched data and jars
	@$(BIN)/lambda-arch clean --yes

dist/lambda_arch.zip: $(SOURCES) ## What spark-submit needs (--py-files)
	@python3 deploy/bundle.py $@
