# One command each; everything runs in .venv and installs the tested set (constraints.txt).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev

# Each of these findings was looked at where it stands, and has its reason there (ruff's S rules, noqa): one URL of our own
# (B310), statements built of our own constants (B608), local paths with verified weights (B615), our own SVG (B704).
BANDIT_SKIPS := B310,B608,B615,B704

.PHONY: quickstart test test-fast check bench docs clean help

help:
	@echo "make quickstart   install, run configs/quickstart.yaml, print the verdict and where the report is"
	@echo "make test         install, run the whole test suite"
	@echo "make test-fast    the same without the slow tests"
	@echo "make check        lint, format, types, layers, generated docs"
	@echo "make bench-NAME   benchmarks/bench_NAME.py (teacher, filters, engine, train, serve)"
	@echo "make docs         build the documentation"

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; try: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[quickstart]'
	touch $@

$(INSTALLED_DEV): $(INSTALLED)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

quickstart: $(INSTALLED)
	$(BIN)/distill run configs/quickstart.yaml

test: $(INSTALLED_DEV)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test-fast: $(INSTALLED_DEV)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

check: $(INSTALLED_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python scripts/make_reference.py --check
	$(BIN)/bandit -q -r distill -ll --skip $(BANDIT_SKIPS)
	$(BIN)/python scripts/audit_packages.py

bench-%: $(INSTALLED_DEV)
	$(BIN)/python benchmarks/bench_$*.py

bench: bench-teacher bench-filters bench-engine bench-train bench-serve

docs: $(INSTALLED_DEV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[docs]'
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) build dist site
