# Daily commands; `make` alone lists them. Caches live in the user's cache folder.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/telemetry-pipeline
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

export RUFF_CACHE_DIR := $(CACHE)/ruff
export MYPY_CACHE_DIR := $(CACHE)/mypy
export TELEMETRY_CACHE := $(CACHE)

PYTEST := $(BIN)/python -m pytest -o cache_dir=$(CACHE)/pytest
CHECKS := format lint types unit property golden rules docs integration browser

# $(call pytest,FOLDERS,OPTIONS): run the tests of the folders, or say that there are none.
define pytest
	@if [ -z "$$(find $(1) -name 'test_*.py' -print -quit 2>/dev/null)" ]; then \
		echo "nothing to run: no tests in $(1)"; \
	else \
		echo "$(PYTEST) $(2) $(1)"; $(PYTEST) $(2) $(1); \
	fi
endef

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: $(VENV)/.installed ## Create .venv with the command `telemetry` from the hashed lock

# pip installs uv by its hash from the lock, uv the rest (pip does, where uv does not run).
$(VENV)/.installed: requirements.lock setup.py
	@if [ -z "$(PYTHON)" ]; then echo "Python 3.11 or newer is needed; none was found." >&2; exit 3; fi
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@awk '/^uv==/ {found = 1} found {print} found && !/\\$$/ {exit}' requirements.lock > $(VENV)/uv.txt
	@unset PYTHONDONTWRITEBYTECODE; \
	pip="$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all:"; \
	if $$pip -r $(VENV)/uv.txt && $(BIN)/uv --version; then \
		$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --only-binary :all: --compile-bytecode requirements.lock; \
		$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	else \
		$$pip -r requirements.lock; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-index --no-build-isolation -e .; \
	fi; \
	$(BIN)/python -m compileall -q pipeline || true
	@touch $@
	@echo "Installed: $(BIN)/telemetry"

.PHONY: demo
demo: install ## Generate data, run the pipeline, look at the result; no services
	$(BIN)/telemetry demo

.PHONY: check
check: install ## Everything that CI runs, from format to browser; stops at the first failure
	@for step in $(CHECKS); do printf '\n== make %s\n' "$$step"; $(MAKE) "$$step"; done
	@printf '\nAll passed: %s\n' "$(CHECKS)"

.PHONY: test
test: install ## The fast tests, in under two minutes
	$(call pytest,tests/unit tests/property tests/golden tests/schemas tests/rules,-n 2 -m 'not slow and not service')

.PHONY: format
format: install ## Is the code formatted?
	$(BIN)/ruff format --check .

.PHONY: lint
lint: install ## Is the code free of lint?
	$(BIN)/ruff check .

.PHONY: fix
fix: install ## Format, and mend what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: tables
tables: install ## Make the documents' tables anew from the code
	$(BIN)/python -m tests.docs.tables

.PHONY: types
types: install ## Do the types hold? (mypy --strict)
	$(BIN)/mypy

.PHONY: unit
unit: install ## Unit tests and doctests
	$(call pytest,tests/unit pipeline,-n 2 --doctest-modules)

.PHONY: property
property: install ## Laws: determinism, row counts, no leak
	$(call pytest,tests/property,-n 2)

.PHONY: golden
golden: install ## Examples as data: whole runs, schemas
	$(call pytest,tests/golden tests/schemas)

.PHONY: rules
rules: install ## Layers, sizes, docs, public columns, erasure coverage
	$(call pytest,tests/rules)

.PHONY: docs
docs: install ## The examples in README.md and docs/
	$(call pytest,tests/docs)

.PHONY: integration
integration: install ## Whole runs, kill tests, the wheel, real services
	$(call pytest,tests/integration,-n 2 --dist loadfile --durations 20)

.PHONY: kill-test
kill-test: install ## Ten minutes of kill -9, frozen processes and broker restarts on Kafka
	TELEMETRY_KILL_SECONDS=600 $(PYTEST) tests/integration/kafka/test_kafka_kill.py -s

.PHONY: flink-demo
flink-demo: install ## A broker, a Flink cluster and a job for a minute, to look at; needs Java and Maven
	$(BIN)/python -m tests.integration.flink.demo

.PHONY: flink-kill-test
flink-kill-test: install ## Ten minutes of kill -9 on Flink: workers, TaskManagers, JobManager, pool, broker
	$(BIN)/python -m tests.integration.flink.kill 600

.PHONY: browser
browser: install ## The dashboard in the system's Chromium (installed by apt-get where possible)
	@if [ -z "$$(find tests/browser -name 'test_*.py' -print -quit 2>/dev/null)" ]; then \
		echo "nothing to run: no tests in tests/browser"; \
	elif CHROMIUM="$$(.ci/chromium)"; then \
		export CHROMIUM; $(PYTEST) tests/browser; \
	elif [ "$${CI:-}" = true ]; then \
		echo "failed: the browser tests need Chromium"; exit 1; \
	else \
		echo "skipped: the browser tests, for want of Chromium"; \
	fi

.PHONY: bench
bench: install ## Measure the README's claims (a few minutes, one core)
	$(BIN)/python -m benchmarks.run

.PHONY: lock
lock: install ## Resolve setup.py and requirements.in anew into the lock, and the images' part of it
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--extra dp --extra dev --custom-compile-command 'make lock' \
		setup.py requirements.in -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--extra dp --constraints requirements.lock --custom-compile-command 'make lock' \
		setup.py -o deploy/image/requirements.lock

.PHONY: wheel
wheel: install ## Build dist/telemetry_pipeline-*.whl
	$(BIN)/uv build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir dist .

.PHONY: clean
clean: ## Remove what builds and runs left in the tree (not .venv)
	rm -rf build dist ./*.egg-info demo
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
