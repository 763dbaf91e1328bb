# Everything works with Python 3.11 or newer, make and a package index.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: app test test-all lint docs wheel bench bench-all bench-check bench-peers clean

$(BIN)/.app-ready: requirements.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

$(BIN)/.test-ready: $(BIN)/.app-ready requirements-test.txt
	$(BIN)/python -m pip install --quiet -r requirements-test.txt
	@touch $@

app: $(BIN)/.app-ready
	$(BIN)/python -m streamlit run app.py

test: $(BIN)/.test-ready
	$(BIN)/python -m pytest -m "not slow and not soak"

test-all: $(BIN)/.test-ready
	$(BIN)/python -m pytest -m "not soak"

lint: $(BIN)/.test-ready
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy

# The site's packages have an environment of their own: mkdocs need not agree with the dashboard on versions.
$(VENV)-docs/.ready: requirements-docs.txt
	@test -x $(VENV)-docs/bin/python || $(PYTHON) -m venv $(VENV)-docs
	$(VENV)-docs/bin/python -m pip install --quiet -r requirements-docs.txt
	@touch $@

docs: $(VENV)-docs/.ready
	NO_MKDOCS_2_WARNING=1 $(VENV)-docs/bin/mkdocs build --strict

wheel: $(BIN)/.app-ready
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

# recdash, libraries and plain loops in turn; bench-peers installs the libraries, each in an environment of its own.
bench: $(BIN)/.test-ready
	$(BIN)/python -m benchmarks.run

bench-all: $(BIN)/.test-ready
	$(BIN)/python -m benchmarks.run --all

bench-peers: $(BIN)/.test-ready
	$(BIN)/python -m benchmarks.peers

bench-check: $(BIN)/.test-ready
	$(BIN)/python -m benchmarks.check

clean:
	rm -rf $(VENV) $(VENV)-docs build dist .mypy_cache .ruff_cache .pytest_cache *.egg-info
