# make help: what there is. Everything lives in .venv, which is made on first use.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

PIP := -m pip install --disable-pip-version-check
LOCK := requirements-locked.txt
LOCKED_FOR := Linux x86_64 glibc CPython 3.11
KIND := -c 'import platform as p; print(p.system(), p.machine(), p.libc_ver()[0], p.python_implementation(), p.python_version()[:4])'

# Tests start hundreds of processes, each of which would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test lint lock clean

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 8

run: $(VENV)/run.stamp ## start the app and print its address; make run ARGS="--port 8000"
	$(BIN)/python app.py $(ARGS)

test: lint ## format, lint, types, all tests, attacks on the page among them; make test ARGS="-k knn" runs these tests alone
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/test.stamp ## format, lint and type checks alone
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	@find searchdemo -name '*.pyi' -delete # gradio writes these beside its subclasses; mypy would read them in their place
	$(BIN)/mypy

lock: ## write requirements-locked.txt, which tests are installed from, anew: the newest that requirements-dev.txt allows
	@test "`$(PYTHON) $(KIND)`" = "$(LOCKED_FOR)" || { echo "$(LOCK) is for $(LOCKED_FOR); this is `$(PYTHON) $(KIND)`."; exit 1; }
	rm -rf $(VENV)-lock
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python $(PIP) -q --dry-run --report $(VENV)-lock/report.json -r requirements-dev.txt
	$(PYTHON) .ci/lock.py $(VENV)-lock/report.json
	rm -rf $(VENV)-lock

clean: ## remove .venv and caches; built vectors stay
	rm -rf $(VENV) .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than the requirements it was installed from: the next time is instant, a change installs again.
# Tests run with the very files that requirements-locked.txt names, where a machine is as the one that it was made on.

.DELETE_ON_ERROR:

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "searchdemo needs Python 3.11 or newer; $(PYTHON) is `$(PYTHON) --version 2>&1`. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: requirements.txt | $(VENV)/bin/python
	$(BIN)/python $(PIP) -r requirements.txt
	@touch $@

$(VENV)/test.stamp: requirements.txt requirements-dev.txt $(LOCK) | $(VENV)/bin/python
	@if [ "`$(BIN)/python $(KIND)`" != "$(LOCKED_FOR)" ]; then \
	  echo "$(LOCK) is for $(LOCKED_FOR): the newest that requirements-dev.txt allows is installed."; \
	elif $(BIN)/python $(PIP) --require-hashes -r $(LOCK); then exit 0; \
	else echo "$(LOCK) cannot be installed here: the newest that requirements-dev.txt allows is installed."; fi; \
	$(BIN)/python $(PIP) -r requirements-dev.txt
	@touch $@
