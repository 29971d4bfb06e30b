# Every target makes its own environment first, in .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint doctest docs site-check bench dist clean

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test,docs]"
	touch $@

demo: $(STAMP)
	$(BIN)/python docs/demo.py demo

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy skae

doctest: $(STAMP)
	$(BIN)/python -m pytest --doctest-glob="*.rst" --doctest-glob="README.md" docs README.md

docs: $(STAMP)
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build/html
	@echo "open docs/_build/html/index.html"

# In chromium, which has to be installed beside its driver.
site-check: docs
	SKAE_SITE=docs/_build/html $(BIN)/python -m pytest tests/test_site.py

# A selection, which prints and leaves the committed results alone.
bench: $(STAMP)
	$(BIN)/python -m benchmarks.speed.bench_training --quick --rounds 3
	$(BIN)/python -m benchmarks.speed.bench_inference --quick --rounds 3
	$(BIN)/python -m benchmarks.speed.bench_contraction --quick --rounds 3
	$(BIN)/python -m benchmarks.speed.bench_growth --quick
	$(BIN)/python -m benchmarks.defaults --quick

dist: $(STAMP)
	$(BIN)/python -m pip install --quiet build
	rm -rf dist
	$(BIN)/python -m build --quiet

clean:
	rm -rf $(VENV) dist demo docs/_build docs/generated
