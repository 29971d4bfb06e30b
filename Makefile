# Every target makes its own environment first, in .venv.
PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

LOWEST ?= .venv-lowest
LOWEST_TESTS := tests/test_common.py $(wildcard tests/test_contract.py tests/contract) \
	tests/test_composition.py tests/persistence
# What old packages say about their newer neighbours; other warnings are errors here, too.
LOWEST_WARNINGS := -W 'ignore:scipy.optimize:DeprecationWarning' \
	-W 'ignore:You are using `torch.load`:FutureWarning'

.PHONY: demo test test-all test-lowest lint doctest docstrings docs site-check bench dist clean

# Groups of dependencies need pip 25.1, and Python 3.11 brings an older one.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[all]" --group dev
	touch $@

demo: $(STAMP)
	$(BIN)/python docs/demo.py demo

# The fast tests: without those marked as slow.
test: $(STAMP)
	$(PYTEST) -m "not slow"

test-all: $(STAMP)
	$(PYTEST)

# The fast ones of the main tests, with the lowest versions of all dependencies; AT_PRESENT=torch leaves torch at that of
# constraints.txt.
test-lowest:
	$(PYTHON) -m venv $(LOWEST)
	$(PYTHON) .ci/lowest.py $(AT_PRESENT) > $(LOWEST)/lowest.txt
	$(LOWEST)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(LOWEST)/bin/python -m pip install --quiet --no-compile --constraint $(LOWEST)/lowest.txt \
		$(if $(AT_PRESENT),--constraint constraints.txt) --editable . --group test
	$(LOWEST)/bin/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow" \
		$(LOWEST_WARNINGS) $(LOWEST_TESTS)

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy skae
	git ls-files -z | xargs -0 $(BIN)/codespell
	$(BIN)/python tools/docstrings.py --check

# Copies docstring entries that several classes share from the first of them to the others.
docstrings: $(STAMP)
	$(BIN)/python tools/docstrings.py

doctest: $(STAMP)
	$(PYTEST) --doctest-glob="*.rst" --doctest-glob="README.md" docs README.md

docs: $(STAMP)
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build/html
	@echo "open docs/_build/html/index.html"

# In chromium, which has to be installed beside its driver.
site-check: docs
	SKAE_SITE=docs/_build/html $(PYTEST) tests/test_site.py

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
	rm -rf $(VENV) $(LOWEST) dist demo docs/_build docs/generated
