# Every target creates .venv on first use and reuses it afterwards.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# from tests/ down: the folder of the package may have any name, even one that Python could not import
PYTEST := $(BIN)/python -m pytest --rootdir=tests -c pyproject.toml tests
export OMP_NUM_THREADS ?= 1
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: study-ope demo test test-slow bench lint type format picture clean

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing Posology into $(VENV) (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps icu-sepsis \
	  || echo "icu-sepsis could not be installed: the tests of ICU-Sepsis will be skipped"
	@touch $@

demo: $(STAMP)  ## the main job on the built-in cohort; ends with the report's path
	$(BIN)/posology run experiments/configs/demo.yaml

test: $(STAMP)
	$(PYTEST) -n 2 -m "not slow"

test-slow: $(STAMP)  ## the longer studies
	$(PYTEST) -m slow

bench: $(STAMP)
	$(BIN)/python -m posology.benchmarks

study-ope: $(STAMP)  ## off-policy evaluation against known truth: resumable; writes the tables of docs/off_policy.md
	$(BIN)/python -m posology.experiments.studies.coverage
	$(BIN)/python -m posology.experiments.studies.calibration
	$(BIN)/python -m posology.experiments.studies.accuracy
	$(BIN)/python -m posology.experiments.studies.accuracy_summary
	$(BIN)/python -m posology.experiments.studies.fitted_behavior
	$(BIN)/python -m posology.experiments.studies.off_policy_page
	$(BIN)/python -m posology.experiments.studies.fitted_behavior_page

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(STAMP)
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

picture: demo  ## the picture in the README: the newest demo report in headless Chromium
	chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --disable-quic --no-first-run \
	  --disable-background-networking --disable-component-update --disable-sync --user-data-dir=$$(mktemp -d) \
	  --window-size=1280,1180 --screenshot=$(CURDIR)/docs/report.png \
	  file://$(CURDIR)/$$(ls -td runs/demo-*/report.html | head -1)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
