# The commands of this project. Each installs what it needs into .venv first; a second call installs nothing.
PYTHON ?= python3
VENV := .venv
HARNESS := .venv-harness
export NO_MKDOCS_2_WARNING := 1
RUN := $(VENV)/bin/python
INSTALL := $(RUN) -m pip install --quiet --constraint constraints.txt
PROBLEM := "Mia has 33 pens. On Monday, 2 children take 2 each. On Tuesday, 7 are gone. \
On Wednesday, the pile becomes 2 times as big. How many pens are there in the end?"

.PHONY: help demo test test-harness test-browser test-vllm check bench build docs cli-reference picture format clean

help:  ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /  make \1  \t/p' $(MAKEFILE_LIST)

demo: $(VENV)/.user  ## solve problems with the bundled model, step scores shown
	$(VENV)/bin/reflectgen demo

test: $(VENV)/.dev  ## the default test suite
	$(RUN) -m pytest

test-harness: $(HARNESS)/.made  ## the tests inside lm-evaluation-harness and Inspect, in an environment of their own
	$(HARNESS)/bin/python -m pytest -m harness tests/adapters

test-browser: $(VENV)/.browser  ## the viewer's tests, which need a chromium on the path
	$(RUN) -m pytest -m browser tests/viewer

test-vllm:  ## the tests of vLLM itself on the CPU, in .venv-vllm; skipped where that cannot be made
	@if PYTHON=$(PYTHON) bash tools/vllm_environment.sh .venv-vllm; then \
	  OMP_NUM_THREADS=1 .venv-vllm/bin/python -m pytest -m "$(if $(REFLECTGEN_REAL_MODELS),vllm,vllm and not real)" tests/engine/vllm; \
	else echo "test-vllm: skipped, for the reason above."; fi

check: $(VENV)/.dev  ## lint, format, types, import levels, links, command reference
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check --quiet .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo
	$(RUN) tools/check_links.py
	$(RUN) tools/check_words.py
	$(RUN) tools/cli_reference.py --check
	$(VENV)/bin/mkdocs build --strict --site-dir $(VENV)/site

bench: $(VENV)/.dev  ## tokens per second of the engines
	$(RUN) bench/engine.py --json

build: $(VENV)/.user  ## the wheel in dist/, tried in a fresh environment elsewhere
	rm -rf dist
	$(RUN) -m pip wheel --quiet --no-deps --wheel-dir dist .
	$(PYTHON) tools/try_wheel.py dist/*.whl

docs: $(VENV)/.dev  ## the documentation in site/
	$(VENV)/bin/mkdocs build --strict

cli-reference: $(VENV)/.dev  ## write docs/cli.md from the commands' own help
	$(RUN) tools/cli_reference.py

picture: $(VENV)/.user  ## draw docs/img/solve.svg from a real run
	$(RUN) tools/picture.py docs/img/solve.svg solve $(PROBLEM) --effort medium

format: $(VENV)/.dev  ## mend lint and format where that can be done alone
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean:  ## remove what these commands made, .venv too
	rm -rf $(VENV) $(HARNESS) .venv-vllm dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(RUN):
	$(PYTHON) -m venv $(VENV)

$(VENV)/.user: pyproject.toml constraints.txt | $(RUN)
	@echo "Installing reflectgen into $(VENV): about a minute, once."
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(RUN)
	@echo "Installing reflectgen with what tests and checks need into $(VENV), once."
	$(INSTALL) --editable '.[dev,gguf,train]'
	@touch $(VENV)/.user $@

$(HARNESS)/.made: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(HARNESS)
	$(HARNESS)/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,lm-eval,inspect]'
	@touch $@

$(VENV)/.browser: $(VENV)/.dev
	$(INSTALL) --editable '.[dev,gguf,train,browser]'
	@touch $(VENV)/.user $(VENV)/.dev $@
