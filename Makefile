# The distribution's interpreter comes first: it is built with profile-guided optimisation, which version managers
# leave out, and serves a quarter more requests.
PYTHON ?= $(shell for p in /usr/bin/python3 python3.13 python3.12 python3.11 python3; do \
    $$p -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install demo test test-units test-whole quick lint bench lock java-jar clean

install: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Lamina needs Python 3.11 or newer with venv (Debian: apt-get install python3-venv)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: install
	$(BIN)/python -m demo

# Both halves at once, since one of them waits for processes most of the time; their lines are mixed.
test: install
	+@$(MAKE) --no-print-directory --jobs=2 test-units test-whole

test-units:
	$(BIN)/python -m pytest tests/unit

test-whole:
	$(BIN)/python -m pytest tests/acceptance tests/security

# In less than a minute.
quick: install
	$(BIN)/python -m pytest -m "not slow" -x

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: install $(VENV)/.bench
	$(BIN)/python -m bench

# What Lamina is compared with.
$(VENV)/.bench: $(VENV)/.installed bench/requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r bench/requirements.lock
	touch $@

lock:
	uv pip compile --universal --generate-hashes --no-header --no-annotate --extra dev --python-version 3.11 \
	    pyproject.toml -o requirements.lock

# The bootstrap of the Java runtimes; with JDK 17 it comes out the same to the byte.
JAVAC ?= javac
java-jar: install
	$(BIN)/python -m lamina.runtimes._java_jar $(JAVAC)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
