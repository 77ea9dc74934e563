# Daily commands; `make` alone lists them. Caches live in the user's cache folder.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/telemetry-pipeline
READERS := $(CACHE)/readers
SITE := $(CACHE)/site
ORCHESTRATORS := $(CACHE)/orchestrators
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

# What is true of one checkout only is kept apart: by its name, and by its path in full.
CHECKOUT := $(notdir $(CURDIR))-$(firstword $(shell printf %s '$(CURDIR)' | cksum))

export RUFF_CACHE_DIR := $(CACHE)/ruff
export MYPY_CACHE_DIR := $(if $(filter true,$(CI)),/dev/null,$(CACHE)/mypy/$(CHECKOUT))
export TELEMETRY_CACHE := $(CACHE)
# What crates compile to is shared by all checkouts, what a checkout is built to is not.
export CARGO_BUILD_BUILD_DIR := $(CACHE)/cargo-build
export CARGO_TARGET_DIR := $(CACHE)/cargo-target/$(CHECKOUT)

PYTEST := $(BIN)/python -m pytest -o cache_dir=$(CACHE)/pytest
CHECKS := format lint types rust unit property golden rules docs readers orchestrators integration browser

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
$(VENV)/.installed: requirements.lock setup.py pyproject.toml kernel/Cargo.toml kernel/Cargo.lock $(wildcard kernel/src/*.rs kernel/src/*/*.rs kernel/src/*/*/*.rs)
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
	@.ci/kernel $(BIN)/python
	@touch $@
	@echo "Installed: $(BIN)/telemetry"

.PHONY: demo
demo: install ## Generate data, run the pipeline, show the result; no services needed
	$(BIN)/telemetry demo

.PHONY: check
check: install ## Everything that CI runs, from format to browser; stops at the first failure
	@for step in $(CHECKS); do printf '\n== make %s\n' "$$step"; $(MAKE) "$$step"; done
	@printf '\nAll passed: %s\n' "$(CHECKS)"

.PHONY: test
test: install ## The fast tests, in under two minutes
	$(call pytest,tests/unit tests/property tests/golden tests/schemas tests/rules,-n 2 -m 'not slow and not service')

.PHONY: format
format: install ## Check the formatting
	$(BIN)/ruff format --check .

.PHONY: lint
lint: install ## Check for lint
	$(BIN)/ruff check .

.PHONY: fix
fix: install ## Format the code and apply automatic fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: tables
tables: install ## Regenerate the documents' tables from the code
	$(BIN)/python -m tests.docs.tables

.PHONY: types
types: install ## Check the types (mypy --strict)
	$(BIN)/mypy

.PHONY: rust
rust: install ## The kernel: format, lint, tests, advisories
	@if ! why="$$(.ci/cargo)"; then \
		if [ "$${CI:-}" = true ]; then echo "failed: $$why"; exit 1; fi; \
		echo "skipped: $$why"; exit 0; \
	fi; \
	cd kernel; \
	cargo fmt --check; \
	cargo clippy --quiet --locked --all-targets --no-default-features -- -D warnings; \
	PYO3_PYTHON=$(CURDIR)/$(BIN)/python cargo clippy --quiet --locked -- -D warnings; \
	cargo test --quiet --locked --no-default-features; \
	for tool in deny audit; do \
		if ! command -v cargo-$$tool > /dev/null; then echo "skipped: cargo $$tool is not installed"; \
		elif [ $$tool = deny ]; then cargo deny check advisories; else cargo audit; fi; \
	done

.PHONY: unit
unit: install ## Unit tests and doctests
	$(call pytest,tests/unit pipeline,-n 2 --doctest-modules)

.PHONY: property
property: install ## Property tests: determinism, row counts, no leak; a bounded part of the fuzzers
	$(call pytest,tests/property tests/fuzz,-n 2)

.PHONY: golden
golden: install ## Examples as data files: whole runs, schemas
	$(call pytest,tests/golden tests/schemas)

.PHONY: rules
rules: install ## Layers, sizes, docs, public columns, erasure coverage
	$(call pytest,tests/rules)

.PHONY: docs
docs: install $(SITE)/.installed ## Run the examples in README.md and docs/, build their site
	TELEMETRY_SITE=$(SITE) $(PYTEST) tests/docs

.PHONY: site
site: install $(SITE)/.installed ## Build the documentation as a site in build/site
	$(BIN)/python -m tests.docs.site $(SITE) build/site

# Sphinx has a lock and a place of its own, as the readers have.
$(SITE)/.installed: deploy/site/requirements.lock $(VENV)/.installed
	@unset PYTHONDONTWRITEBYTECODE; $(BIN)/uv venv --quiet --clear --python $(BIN)/python $(SITE)
	@$(BIN)/uv pip sync --quiet --python $(SITE)/bin/python --require-hashes deploy/site/requirements.lock
	@touch $@

.PHONY: integration
integration: install ## Whole runs, kill tests, the wheel, real services
	$(call pytest,tests/integration,-n 2 --dist loadfile --no-loadscope-reorder --durations 20)

.PHONY: readers
readers: install $(READERS)/.installed ## Who reads the lake: DuckDB to Spark, each on every state of a lake
	TELEMETRY_READERS=$(READERS) $(PYTEST) tests/readers --durations 5

# Spark and ClickHouse are large and no part of the pipeline: they have a lock and a place of their own.
$(READERS)/.installed: tests/readers/requirements.lock $(VENV)/.installed
	@unset PYTHONDONTWRITEBYTECODE; $(BIN)/uv venv --quiet --clear --python $(BIN)/python $(READERS)
	@$(BIN)/uv pip sync --quiet --python $(READERS)/bin/python --require-hashes tests/readers/requirements.lock
	@touch $@

.PHONY: orchestrators
orchestrators: install $(ORCHESTRATORS)/.installed ## The daily chain as Airflow and Dagster load it
	TELEMETRY_ORCHESTRATORS=$(ORCHESTRATORS) $(PYTEST) tests/orchestrators

$(ORCHESTRATORS)/.installed: tests/orchestrators/requirements.lock $(VENV)/.installed
	@unset PYTHONDONTWRITEBYTECODE; $(BIN)/uv venv --quiet --clear --python $(BIN)/python $(ORCHESTRATORS)
	@$(BIN)/uv pip sync --quiet --python $(ORCHESTRATORS)/bin/python --require-hashes tests/orchestrators/requirements.lock
	@touch $@

.PHONY: kill-test
kill-test: install ## Ten minutes of kill -9, frozen processes and broker restarts on Kafka
	TELEMETRY_KILL_SECONDS=600 $(PYTEST) tests/integration/kafka/test_kafka_kill.py -s

.PHONY: soak
soak: install ## An hour of a run whose workers are killed every minute: what grows; with a drawing
	$(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),60) --rate 200 --out $(CACHE)/soak.json
	$(BIN)/python -m benchmarks.soak_plot $(CACHE)/soak.json docs/images/soak.svg

.PHONY: weather-test
weather-test: install ## Ten minutes on an object store that loses answers, refuses, cuts and dawdles
	WEATHER_SECONDS=600 $(PYTEST) tests/integration/test_lake_s3_weather.py -s

.PHONY: power-test
power-test: install ## 200 power cuts at random moments; needs root for a mounted image
	POWER_CUTS=200 $(PYTEST) tests/integration/test_power_cut.py -s

.PHONY: flink-demo
flink-demo: install ## Run a broker, a Flink cluster and a job for a minute; needs Java and Maven
	$(BIN)/python -m tests.integration.flink.demo

.PHONY: flink-kill-test
flink-kill-test: install ## Ten minutes of kill -9 on Flink: workers, TaskManagers, JobManager, pool, broker
	$(BIN)/python -m tests.integration.flink.kill 600

.PHONY: browser
browser: install $(SITE)/.installed ## The dashboard in the system's Chromium (installed by apt-get where possible)
	@if [ -z "$$(find tests/browser -name 'test_*.py' -print -quit 2>/dev/null)" ]; then \
		echo "nothing to run: no tests in tests/browser"; \
	elif CHROMIUM="$$(.ci/chromium)"; then \
		export CHROMIUM; TELEMETRY_SITE=$(SITE) $(PYTEST) -n 2 --dist load tests/browser; \
	elif [ "$${CI:-}" = true ]; then \
		echo "failed: the browser tests need Chromium"; exit 1; \
	else \
		echo "skipped: the browser tests, Chromium not found"; \
	fi

.PHONY: bench
bench: install ## Measure the README's claims (about ten minutes, mostly one core)
	$(BIN)/python -m benchmarks.run

.PHONY: bench-full
bench-full: install ## Measure everything, beside its floors and aims, as one page (hours; needs Java and Maven)
	$(BIN)/python -m benchmarks.run --full --json $(CACHE)/bench.json; \
	code=$$?; $(BIN)/python -m benchmarks.page $(CACHE)/bench.json $(CACHE)/bench.html && \
	echo "The page is $(CACHE)/bench.html" && exit $$code

.PHONY: lock
lock: install ## Resolve the dependencies again into the locks of checkout, images, readers, site and orchestrators
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--extra aws --extra azure --extra dp --extra iceberg --extra otel --extra protobuf --extra vault --extra dev --custom-compile-command 'make lock' \
		pyproject.toml requirements.in -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--extra aws --extra azure --extra dp --extra iceberg --extra otel --extra protobuf --extra vault --constraints requirements.lock --custom-compile-command 'make lock' \
		pyproject.toml -o deploy/image/requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--constraints requirements.lock --custom-compile-command 'make lock' \
		tests/readers/requirements.in -o tests/readers/requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--constraints requirements.lock --custom-compile-command 'make lock' \
		deploy/site/requirements.in -o deploy/site/requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--constraints requirements.lock --custom-compile-command 'make lock' \
		tests/orchestrators/requirements.in -o tests/orchestrators/requirements.lock

.PHONY: wheel
wheel: install ## Build dist/telemetry_pipeline-*.whl
	@why="$$(.ci/cargo)" || { echo "No wheel without the native kernel: $$why" >&2; exit 3; }
	@mkdir -p dist; log="$$(mktemp)"; trap 'rm -f "$$log"' EXIT; \
	SOURCE_DATE_EPOCH="$$(git log -1 --format=%ct 2>/dev/null || echo 315532800)" \
	$(BIN)/uv build --wheel --no-build-isolation --python $(BIN)/python --out-dir dist . > "$$log" 2>&1 \
		|| { cat "$$log" >&2; exit 1; }; \
	for wheel in dist/telemetry_pipeline-*.whl; do \
		if ! $(BIN)/python -c 'import sys, zipfile; names = zipfile.ZipFile(sys.argv[1]).namelist(); sys.exit("pipeline/kernel.abi3.so" not in names)' "$$wheel"; then \
			cat "$$log" >&2; rm -f "$$wheel"; echo "$$wheel had no native kernel and was removed: building it failed" >&2; exit 3; \
		fi; \
	done

.PHONY: sbom
sbom: install ## Write dist/sbom.cdx.json (CycloneDX) and dist/licences.md
	PYTHONPATH=. $(BIN)/python deploy/image/sbom.py dist

.PHONY: clean
clean: ## Remove what builds and runs left in the tree (not .venv)
	rm -rf build dist ./*.egg-info demo
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
