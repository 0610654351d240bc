# Every target sets up what it needs: Python 3.11 or later and make are enough to begin with.
#
#   make serve   run a server on this checkout's own data (.watchd)
#   make test    the whole test suite
#   make lint    linter, type checker, import contracts
#   make bench   the benchmarks
#   make clean   remove what the other targets made, the data in .watchd excepted

# The first interpreter that is new enough.
ifndef PYTHON
PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
endif

VENV := .venv
BIN := $(VENV)/bin

# The Python clients that tests drive the server with are installed where every client is required (WATCHD_REQUIRE=all).
GROUPS := --group dev $(if $(filter all,$(WATCHD_REQUIRE)),--group clients)

# What is installed depends on these: a stamp named after them is made once they are in place.
KEY := $(shell $(or $(PYTHON),false) -c 'import hashlib, sys; \
	print(hashlib.sha256(open("pyproject.toml", "rb").read() + b"$(GROUPS)" + sys.version.encode()).hexdigest()[:16])')
STAMP := $(VENV)/installed-$(KEY)

# More arguments: make serve ARGS='--bind 127.0.0.1:0', make test ARGS='-k watch'.
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup serve test lint style types imports bench clean

help:
	@sed -n 's/^#   //p' Makefile

setup:
	@test -n "$(PYTHON)" || { echo "watchd needs Python 3.11 or later; none was found (set PYTHON=...)" >&2; exit 1; }
	@test -e $(STAMP) || $(MAKE) --no-print-directory $(STAMP)

$(STAMP):
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@# Dependency groups came with pip 25.1.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(GROUPS) --editable .
	@rm -f $(VENV)/installed-*
	@touch $@

serve: setup
	@exec $(BIN)/watchd serve --data-dir .watchd $(ARGS)

test: setup
	$(BIN)/python -m pytest $(ARGS)

# Three targets, so that `make -k lint` shows what all of them say.
lint: style types imports

style: setup
	$(BIN)/ruff check --output-format concise

types: setup
	$(BIN)/mypy

imports: setup
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python -m benchmarks $(ARGS)

clean:
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
