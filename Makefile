# Everything lands in this checkout: .venv (Python, and Node where there is none), node_modules, build, out.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

VENV := .venv
PY := $(VENV)/bin/python
RUN := PATH="$(CURDIR)/$(VENV)/bin:$$PATH"
NODE_OK := node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' >/dev/null 2>&1
# Brownie keeps its network list in the home folder; a list someone has edited must not change our tests.
CONTRACT_TESTS := $(RUN) HOME="$(CURDIR)/$(VENV)/home" tools/contract-tests $(VENV)/bin/brownie tests/contracts

DEMO_SCENARIO ?= scenarios/rural3.toml
DEMO := $(PY) -m scripts.replay $(DEMO_SCENARIO) --network devnet-child --out out/demo --overwrite
# Files are dealt out to as many processes as there are cores; brownie's own tests do not take that.
PYTEST := $(RUN) $(PY) -m pytest -p no:pytest-brownie --numprocesses auto --maxprocesses 4 --dist loadgroup
UV ?= uv
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header \
	--prerelease=if-necessary-or-explicit --custom-compile-command "make lock"

.PHONY: help setup compile demo test test-contracts test-python assurance lint format bench lock clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.python $(VENV)/.node $(VENV)/.packages compile  ## environment, node packages, compiler, compiled contracts

$(VENV)/.python: requirements.lock tools/find-python tools/make-venv tools/pip-progress
	@tools/make-venv
	@touch $@

# Asked anew at every call: a Node that was on PATH at the last one may be gone.
ifneq ($(shell $(RUN) $(NODE_OK) && echo yes),yes)
$(VENV)/.node: FORCE
FORCE:
endif
$(VENV)/.node: requirements-node.lock | $(VENV)/.python
	@if $(RUN) $(NODE_OK); then echo "Node $$($(RUN) node --version)"; else \
		$(PY) tools/pip-progress "Node into $(VENV)" requirements-node.lock \
		$(PY) -m pip install --disable-pip-version-check --progress-bar off --require-hashes \
		-r requirements-node.lock; fi
	@touch $@

$(VENV)/.packages: package-lock.json package.json .npmrc | $(VENV)/.node
	@echo "Node packages into node_modules ..."
	@$(RUN) npm ci --no-progress --loglevel=error
	@for anvil in node_modules/@foundry-rs/anvil-*/bin/anvil; do \
		test ! -x $$anvil || ln -sf ../../$$anvil $(VENV)/bin/anvil; done
	@touch $@

compile: $(VENV)/.packages  ## compile the contracts when they have changed
	@$(RUN) $(PY) -m scripts.compile

demo: setup  ## replay a day of metered power through the market; report in out/demo
	@$(RUN) $(DEMO)

test: setup lint test-contracts test-python  ## everything that has to hold

lint: setup  ## ruff, mypy, layers of imports, solhint
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy
	@$(RUN) lint-imports --no-cache --no-logo
	@$(RUN) node_modules/.bin/solhint --disc --noPoster --max-warnings 0 'contracts/**/*.sol'

test-contracts: setup  ## the contracts, under brownie
	@mkdir -p $(VENV)/home
	$(CONTRACT_TESTS)

test-python: setup  ## model, chain, oracles, scenarios, scripts
	$(PYTEST) tests --ignore tests/contracts

assurance: setup  ## the long walks that `make test` leaves out: thousands of steps, every invariant
	@mkdir -p $(VENV)/home
	$(CONTRACT_TESTS) -m assurance
	$(PYTEST) tests --ignore tests/contracts -m assurance

format: setup  ## put the sources into the form that lint asks for
	@$(RUN) ruff check --fix .
	@$(RUN) ruff format .

bench: setup  ## the figures of the README, as JSON in benchmarks/results
	@for script in benchmarks/[!_]*.py; do \
		$(RUN) $(PY) -m benchmarks.$$(basename $$script .py) || exit 1; done

lock:  ## renew both lock files from pyproject.toml and requirements-node.in (needs uv)
	$(LOCK) pyproject.toml --extra dev -o requirements.lock
	$(LOCK) requirements-node.in -o requirements-node.lock

clean:  ## remove everything that setup and runs have made
	rm -rf $(VENV) node_modules build out .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
