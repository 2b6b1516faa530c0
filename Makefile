# The verbs, the same for people and for CI. `make run` and `make test` need nothing but Python 3.11+.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Inside an NGC PyTorch container its own torch is kept: the environment sees it, and pip is told
# to leave its version alone. Elsewhere on Arm64 only torch 2.11 and newer carry CUDA on PyPI.
ifdef NVIDIA_PYTORCH_VERSION
VENV_FLAGS := --system-site-packages
CONSTRAINT := $(VENV)/torch-constraint.txt
PIP_FLAGS := --constraint $(CONSTRAINT)
else ifeq ($(shell uname -m),aarch64)
TORCH := "torch>=2.11"
endif

.PHONY: run test lint format docs eval verify verify-latest clean

run: $(VENV)/run.stamp  ## set everything up and open the page on http://127.0.0.1:7860
	@$(BIN)/assistant setup
	@$(BIN)/assistant serve

test: $(VENV)/test.stamp lint  ## set everything up and run every check
	@$(BIN)/assistant setup
	$(BIN)/python -m pytest --durations=15

lint: $(VENV)/test.stamp  ## format, rules, types, who may import whom, generated documentation
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.docs --check
	$(BIN)/python -m tests.docs_figures --check

format: $(VENV)/test.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/test.stamp  ## write the generated tables of the README anew
	$(BIN)/python -m tests.docs
	$(BIN)/python -m tests.docs_figures

eval: $(VENV)/run.stamp  ## measure retrieval on the labelled cases
	$(BIN)/assistant eval tests/evals/development.jsonl tests/evals/own-dev.jsonl --compare

verify: $(VENV)/run.stamp  ## run the code of all guides: is each error reproduced, found and fixed?
	$(BIN)/assistant verify

verify-latest: $(VENV)/run.stamp  ## the same with the newest packages; says which messages changed
	$(PYTHON) -m venv --clear $(VENV)-latest
	$(VENV)-latest/bin/python -m pip install --quiet --upgrade --upgrade-strategy eager $(TORCH) -e ".[lab,ocr]"
	$(BIN)/assistant verify --python $(VENV)-latest/bin/python

$(VENV)/run.stamp: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet $(PIP_FLAGS) $(TORCH) -e ".[lab,ocr]"
	@touch $@

$(VENV)/test.stamp: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet $(PIP_FLAGS) $(TORCH) -e ".[test]"
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed. Try: make PYTHON=python3.12 run"; exit 2; }
	$(PYTHON) -m venv $(VENV_FLAGS) $(VENV)
ifdef CONSTRAINT
	$(BIN)/python -c 'import torch; print("torch==" + torch.__version__)' > $(CONSTRAINT)
endif

clean:
	rm -rf $(VENV) $(VENV)-latest build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
