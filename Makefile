# The book and its library: every task is a target, and `make` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory --no-builtin-rules
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.ONESHELL:

PYTHON ?= python3# what makes the virtual environment
PORT ?= 8000# where `make serve` listens
PRESET ?= ci# how much the chapters compute: ci, laptop, t4, big
JOBS ?= 2# processes of `make test`
CHAPTER ?=# `make execute CHAPTER=channel`: only that one
ALL ?=# `make noise ALL=1`: also what is proven
NAME ?=# `make test NAME=coordinate`: only one mechanism's tests
FAMILY ?=# `make mutants FAMILY=channel`
ROW ?=# `make versions ROW=floor`: only that one
ARGS ?=# handed to bench, experiments, screenshots
TIME ?= 480# seconds of `make gpu`

VENV := .venv
PY := $(VENV)/bin/python
HTML := _build/html
SITE := $(HTML)/.built

# An installation is named after what was asked for, so a change of these files asks again.
PINS := $(shell cat pyproject.toml constraints.txt book/weights.txt tests/oracles/alone.txt | sha256sum | cut -c1-12)
BOOK := $(VENV)/installed-book-$(PINS)
TEST := $(VENV)/installed-test-$(PINS)

# What tools.pages writes, and everything that a page is made from.
WRITTEN = book/api $(addprefix book/,changes.md cite.md library library.md mechanisms.md status.md)
SOURCES = $(shell find book attention_lib tools notebooks _config.yml _toc.yml constraints.txt \
	-type f -not -name '*.pyc' $(foreach page,$(WRITTEN),-not -path '$(page)' -not -path '$(page)/*') 2>/dev/null)

.PHONY: help
help:  ## list the targets
	@echo "make TARGET, where TARGET is one of"
	@grep -hE '^[a-z]+:.*## ' Makefile | awk -F ':.*## ' '{ printf "  %-12s %s\n", $$1, $$2 }'

.PHONY: setup
setup: $(TEST)  ## make .venv with all that the book and its tests need

.PHONY: book
book: $(SITE)  ## set up, run the stale chapters, build the site (then: make serve)
	@echo "The book is built. Open file://$(CURDIR)/$(HTML)/index.html, or type: make serve"

.PHONY: serve
serve: $(SITE)  ## serve the site on this machine only (PORT=8000)
	@echo "http://127.0.0.1:$(PORT)/   (Ctrl-C ends it)"
	@$(PY) -m http.server $(PORT) --bind 127.0.0.1 --directory $(HTML)

.PHONY: test
ifeq ($(NAME),)
test: $(TEST)  ## install, build and prove everything (ALL=1: what is proven too); NAME=coordinate: one
	@mkdir -p .pytest_cache
	: >.pytest_cache/parts
	TIMEFORMAT='%R s by the clock, %U s of user time'
	part() {  # its name, what it grows with, its command
		echo "[test] $$1"
		{ time "$${@:3}" 2>&3; } 3>&2 2>.pytest_cache/part || { cat .pytest_cache/part >&2; exit 1; }
		echo "       $$1: $$(<.pytest_cache/part)"
		[ "$$2" = counted ] || echo "$$2 $$(awk '{ print $$6 }' .pytest_cache/part)" >>.pytest_cache/parts
	}
	part "checking style, spelling and types" mechanisms $(MAKE) lint
	part "finding Chromium" rest tools/setup.sh chromium
	part "building the book where it is stale" mechanisms $(MAKE) $(SITE)
	export CHROMIUM=$$(tools/setup.sh chromium)
	part "testing the library ($(JOBS) processes)" counted \
		$(PY) -m pytest -q -n $(JOBS) --dist loadgroup -m "not alone"
	part "testing pages ($(JOBS) processes)" counted \
		$(PY) -m pytest -q -n $(JOBS) --dist loadgroup -m alone tests
	part "running every notebook alone ($(JOBS) at a time)" chapters \
		$(PY) -m tools.alone --jobs $(JOBS)
	$(PY) -m tests.support.budget
else
test: $(TEST)
	@tests=$$($(PY) -m tools.names $(NAME))
	$(PY) -m pytest -q -m "not alone" -k "$$tests" || {
		code=$$?
		[ $$code -ne 5 ] || echo "no test has the name $(NAME): no mechanism is called so either" >&2
		exit $$code
	}
endif

.PHONY: noise
noise: $(TEST)  ## prove that no compared output hangs on rounding, where that is not proven (ALL=1: everywhere)
	@$(PY) -m tools.noise $(CHAPTER) $(if $(ALL),--all)

.PHONY: execute
execute: $(BOOK)  ## run the stale chapters (CHAPTER=channel, PRESET=t4, FORCE=--force, TIMINGS=--timings)
	@$(PY) -m tools.execute $(CHAPTER) --preset $(PRESET) $(FORCE) $(TIMINGS)

.PHONY: editions
editions: $(BOOK)  ## write student, teacher and assignment notebooks to dist/editions (CHAPTER=channel)
	@$(PY) -m tools.editions $(CHAPTER)

.PHONY: stale
stale: $(BOOK)  ## list notebooks and stored measurements that are older than their source
	@$(PY) -m tools.stale

.PHONY: experiments
experiments: $(BOOK)  ## make the stored measurements of the chapters again (minutes to hours)
	@$(PY) -m tools.experiments $(FAMILY) $(ARGS)

.PHONY: bench
bench: $(BOOK)  ## time a family's mechanisms and store the result (FAMILY=channel ARGS="--device cuda")
	@$(PY) -m tools.bench $(FAMILY) $(ARGS)

.PHONY: peers
peers: $(TEST)  ## time mechanisms beside other packages and store the result (NAME=cbam: print it)
	@$(PY) -m tools.peers $(NAME) $(ARGS)

.PHONY: roofline
roofline: $(TEST)  ## measure how near each mechanism comes to the machine's speeds, and store it
	@$(PY) -m tools.roofline $(ARGS)

.PHONY: gpu
gpu: $(TEST)  ## on a GPU: contract, references, sweeps, peers, roofline, in TIME seconds (480)
	@$(PY) -m tools.gpu --time $(TIME) $(ARGS)

.PHONY: counts
counts: $(TEST)  ## count again what each mechanism costs; a test fails where one grows
	@$(PY) -m tools.counts

.PHONY: mutants
mutants: $(TEST)  ## plant faults and report which no test sees (FAMILY=channel)
	@$(PY) -m tools.mutants $(FAMILY) --jobs $(JOBS)

.PHONY: flows
flows: $(TEST)  ## change the flows in every small way and report what is not found (NAME=se)
	@$(PY) -m tools.flows $(NAME)

.PHONY: fuzz
fuzz: $(TEST)  ## call mechanisms with arguments and inputs drawn at random (NAME=se ARGS="--seed 3")
	@$(PY) -m tools.fuzz $(NAME) --calls 10000 $(ARGS)

.PHONY: screenshots
screenshots: $(TEST) $(SITE)  ## photograph the pages, wide and narrow, light and dark
	@CHROMIUM=$$(tools/setup.sh chromium) $(PY) -m tools.screenshots $(ARGS)

.PHONY: versions
versions:  ## test with the oldest torch, Colab's and the newest, on the CPU (ROW=floor)
	@$(PYTHON) -m tools.versions $(ROW)

.PHONY: lint
lint: $(TEST)  ## check style, spelling and types
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(VENV)/bin/codespell
	@$(PY) -m mypy

.PHONY: lock
lock:  ## pin the newest tool chain around the torch of constraints.txt, in constraints.txt
	@tools/setup.sh lock $(PYTHON)

.PHONY: clean
clean:  ## remove what the tools made (the environment stays; for that: rm -r .venv)
	rm -rf _build dist $(WRITTEN) .mypy_cache .pytest_cache .ruff_cache

$(PY):
	@echo "[set-up] making $(VENV) with $(PYTHON)"
	@tools/setup.sh environment $(PYTHON) $(VENV)

$(BOOK): | $(PY)
	@echo "[set-up] installing the book's packages (minutes the first time)"
	@tools/setup.sh packages $(VENV) book
	@touch $@

$(TEST): | $(PY)
	@echo "[set-up] installing the book's and the tests' packages (minutes the first time)"
	@tools/setup.sh packages $(VENV) test
	@touch $(BOOK) $@

$(SITE): $(SOURCES) | $(BOOK)
	@echo "[1/3] executing notebooks"
	@$(PY) -m tools.execute --preset $(PRESET)
	@echo "[2/3] writing the pages that follow from the cards"
	@$(PY) -m tools.pages
	@echo "[3/3] building the site, warnings are errors"
	@if [ -t 1 ]; then quiet=; else quiet=-q; fi
	$(VENV)/bin/jupyter-book build . -n -W --keep-going $$quiet ||
	{ rm -rf _build/.doctrees; exit 1; }  # Sphinx warns of a page once: read it again next time
	@touch $@
