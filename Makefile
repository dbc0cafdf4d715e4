# make run         the app on http://127.0.0.1:8501          (PORT=…, HOST=…)
# make test        the tests, at most 10 minutes on 2 cores  (TESTS=tests/data for a few)
# make test-slow   the long ones, at most 45 minutes
# make lint        ruff: rules and format
# make clean       removes .venv
.PHONY: run test test-slow lint packages packages-dev clean help

PORT = 8501
HOST = 127.0.0.1
VENV = .venv
PYTHON =
TESTS = tests
# Without a bound each of the tests' own processes would start a thread for every core, and all would wait.
PYTEST = OMP_NUM_THREADS=$${OMP_NUM_THREADS:-$(THREADS)} $(VENV)/bin/python -m pytest

run: packages
	@exec $(VENV)/bin/python serve.py --host "$(HOST)" --port "$(PORT)"

test: THREADS = 1
test: packages-dev
	@$(PYTEST) -n 2 --dist loadfile -m "not slow" $(TESTS)

test-slow: THREADS = 2
test-slow: packages-dev
	@$(PYTEST) -m slow $(TESTS)

lint: packages-dev
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .

packages:
	@PYTHON="$(PYTHON)" sh install.sh $(VENV) requirements.txt

packages-dev:
	@PYTHON="$(PYTHON)" sh install.sh $(VENV) requirements.txt requirements-dev.txt

clean:
	rm -rf $(VENV)

help:
	@sed -n 's/^# make/make/p' Makefile
