# make demo    the post's three configurations over eight seeds, a search of width and learning rate, their tables and a report
# make test    ruff, mypy, import-linter and the tests
# make bench   the side-by-side measurements of tests/benchmarks
# Everything is installed into .venv, at the versions of constraints.txt.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test bench check format clean

demo: .venv/installed
	$(BIN)/harmonic -cn post figures=true
	$(BIN)/harmonic -cn width_lr
	$(BIN)/python -m harmonic.post outputs/post outputs/width_lr
	$(BIN)/harmonic-report outputs/post outputs/width_lr

test: check
	$(BIN)/pytest -n 2 --dist worksteal

check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: .venv/installed
	$(BIN)/python tests/benchmarks/steps.py
	$(BIN)/python tests/benchmarks/startup.py
	$(BIN)/python tests/benchmarks/growth.py
	$(BIN)/python tests/benchmarks/sweeps.py
	$(BIN)/python tests/benchmarks/search.py speed

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("harmonic needs Python >= 3.11; set PYTHON=" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade -c constraints.txt pip
	$(BIN)/python -m pip install --quiet -c constraints.txt --build-constraint constraints.txt \
		-e . --group dev
	touch $@

clean:
	rm -rf .venv dist build
