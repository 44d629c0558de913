# `make demo` and `make test` do all their set-up themselves, in .venv beside this file.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
READY := $(VENV)/.ready
BIN := $(VENV)/bin

.PHONY: demo test test-slow check site release-check mutants benchmark clean

demo: $(READY)  ## From real folk tunes to new music
	$(BIN)/nextbar demo --out demo

test: $(READY)  ## The tests, in minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --cov --cov-report=term

test-slow: $(READY)  ## The tests that take longer
	$(BIN)/python -m pytest -m slow

check: $(READY)  ## Style, types, and which module may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

site: $(VENV)/.site-ready  ## The documents as a site, in build/site; fails on a broken link
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	$(BIN)/python website/check.py build/site

# A Python each: make release-check PYTHONS='python3.11 python3.12'; OLDEST=--oldest takes the oldest versions.
PYTHONS ?= $(shell for v in 11 12 13; do command -v python3.$$v; done)
release-check: $(READY)  ## The wheel alone, in fresh environments, then each extra; downloads PyTorch for each
	$(BIN)/python -m pip install --quiet build
	$(BIN)/python .ci/try_wheel.py $(OLDEST) $(PYTHONS)

mutants: $(READY)  ## Does a test notice each small mistake? Hours; ONLY='nextbar.measures.paper*' some
	OMP_NUM_THREADS=1 $(BIN)/mutmut run --max-children 1 $(ONLY)
	$(BIN)/mutmut results

benchmark: $(READY)  ## Speed, beside the plain way in the same run
	$(BIN)/python benchmarks/generate.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/measures.py

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[audio,folk,hub,studio,video,dev]'
	touch $(READY)

$(VENV)/.site-ready: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[site]'
	touch $(VENV)/.site-ready

clean:  ## Remove what make has made
	rm -rf $(VENV) demo mutants build
