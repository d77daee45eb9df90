# make help: what there is. Everything lives in .venv, which is made on first use.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run test lint clean

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 8

run: $(VENV)/run.stamp ## start the app and print its address; make run ARGS="--port 8000"
	$(BIN)/python app.py $(ARGS)

test: lint ## format, lint, types, all tests, then whether the page holds (2 minutes); make test ARGS="-k knn" runs these tests alone
	$(BIN)/python -m pytest $(ARGS)
	$(if $(ARGS),,$(BIN)/python -m searchdemo bench hold --quick)

lint: $(VENV)/test.stamp ## format, lint and type checks alone
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	@find searchdemo -name '*.pyi' -delete # gradio writes these beside its subclasses; mypy would read them in their place
	$(BIN)/mypy

clean: ## remove .venv and caches; built vectors stay
	rm -rf $(VENV) .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than the requirements it was installed from: the next time is instant, a change installs again.

$(VENV)/run.stamp: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "searchdemo needs Python 3.11 or newer; $(PYTHON) is `$(PYTHON) --version 2>&1`. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/test.stamp: requirements-dev.txt $(VENV)/run.stamp
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements-dev.txt
	@touch $@
