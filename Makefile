# make demo    the post's three configurations over eight seeds, a search of width and learning rate, their tables and a report
# make test    ruff, mypy, import-linter and the tests
# make test-hydra14  the part of them that leans on Hydra, under the next Hydra
# make bench   the side-by-side measurements of tests/benchmarks
# Everything is installed into .venv, at the versions of constraints.txt.

PYTHON ?= python3
BIN := .venv/bin
HYDRA14 := .venv/hydra-1.4

.PHONY: demo test test-hydra14 bench check format clean

demo: .venv/installed
	$(BIN)/harmonic -cn post figures=true
	$(BIN)/harmonic -cn width_lr
	$(BIN)/python -m harmonic.post outputs/post outputs/width_lr
	$(BIN)/harmonic-report outputs/post outputs/width_lr

test: check
	$(BIN)/pytest -n 2 --dist worksteal
	$(MAKE) test-hydra14

# What leans on Hydra, once more under the next Hydra, which lies over .venv.
test-hydra14: $(HYDRA14)/installed
	PYTHONPATH=$(CURDIR)/$(HYDRA14) $(BIN)/pytest -n 2 --dist worksteal -p no:cacheprovider \
		tests/laws/test_hydra_contract.py tests/laws/test_sweep_compose.py tests/laws/test_quoting.py \
		tests/unit/config tests/unit/cli "tests/unit/search/test_search.py::test_the_task_of_another_application"

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

$(HYDRA14)/installed: .venv/installed constraints-hydra14.txt
	$(BIN)/python -m pip install --quiet --upgrade --no-deps --target $(HYDRA14) -r constraints-hydra14.txt
	touch $@

clean:
	rm -rf .venv dist build
