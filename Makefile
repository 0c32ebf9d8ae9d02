# Everything works in a fresh clone with Python 3.11+, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-slow test-all bench bench-scale docs lint format type all-checks clean

demo: $(READY)            ## run the main job on the embedded data; FRESH=1 makes a new run
	$(BIN)/pate run configs/digits.yaml $(if $(FRESH),--fresh)

test: $(READY)            ## the fast tests
	$(BIN)/python -m pytest -n 2 --dist loadgroup

test-slow: $(READY)       ## faults, servers and other slow tests
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m slow

test-all: $(READY)        ## fast and slow tests
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not benchmark"

bench: $(READY)           ## timings as ratios, into benchmarks.json
	$(BIN)/python -m pytest tests/benchmarks -m benchmark -q

bench-scale: $(READY)     ## teachers per second and the scaling curve, into docs/reference/scaling.md (half an hour)
	$(BIN)/python tests/benchmarks/teachers_at_scale.py --readme docs/reference/scaling.md
	$(BIN)/python tests/benchmarks/scaling_curve.py --readme docs/reference/scaling.md --plot docs/reference/scaling.svg
	$(BIN)/python tests/benchmarks/many_teachers.py --readme docs/reference/scaling.md
	$(BIN)/python tests/benchmarks/large_table.py --readme docs/reference/scaling.md

docs: $(READY)            ## the documentation site, into build/docs; a warning or a broken link is an error
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --jobs 2 -b html -d build/doctrees docs build/docs

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: $(READY)
	$(BIN)/mypy

all-checks: lint type docs test-all

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("pate needs Python 3.11 or newer, got " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,docs]'
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache
