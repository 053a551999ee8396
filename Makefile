# Every target sets up what it needs in .venv on a machine with python3, git and make.
PYTHON ?= python3
BIN := .venv/bin
DATA ?=
PRED ?=
OUT ?= demo-out

.PHONY: help demo test test-slow test-nnunet test-oldest lint format bench consistency docs picture support clean

help:            ## Show the targets.
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 14

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.demo: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[study]'
	@touch $@

.venv/.dev: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@ .venv/.demo

demo: .venv/.demo  ## The main job on generated data, or on DATA=folder PRED=folder.
	$(BIN)/python -m dice_semimetric_study demo --out $(OUT) --overwrite $(if $(DATA),--data $(DATA)) $(if $(PRED),--pred $(PRED))

test: .venv/.dev   ## The test suite.
	@# Those that start processes, kill them and limit their memory run apart from the rest.
	$(BIN)/python -m pytest -n auto -m "not slow" -rf tests/study
	$(BIN)/python -m pytest -n auto -m "not slow" -rf --ignore=tests/study

test-slow: .venv/.dev  ## The suites that take minutes each.
	$(BIN)/python -m pytest -m slow

.venv-nnunet/.done: tests/torch/nnunet.txt .venv/.dev
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target .venv-nnunet -r $<
	@touch $@

test-nnunet: .venv-nnunet/.done  ## nnU-Net's own training with the trainers of this package, 4 minutes.
	PYTHONPATH=$(CURDIR)/.venv-nnunet $(BIN)/python -m pytest -m "slow or not slow" -rf tests/torch/test_nnunet.py tests/torch/test_nnunet_raters.py

# uv picks the lowest version of each dependency that pyproject.toml allows and that has a wheel for
# this Python; pip installs them. PyTorch is the pinned one, since not every index has its old builds
# for CPUs: TORCH= lifts that.
OLD := .venv-oldest/bin
TORCH ?= $(shell grep '^torch==' constraints.txt)
.venv-oldest/.done: pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear .venv-oldest
	$(OLD)/python -m pip install --quiet uv
	echo $(TORCH) > .venv-oldest/torch.txt
	$(OLD)/uv pip compile --quiet --python $(OLD)/python --resolution lowest-direct --only-binary :all: \
		--extra test --constraint .venv-oldest/torch.txt --output-file .venv-oldest/oldest.txt pyproject.toml
	$(OLD)/python -m pip install --quiet -c .venv-oldest/oldest.txt -e '.[test]'
	@touch $@

OLDEST_TESTS ?= tests/core tests/dask tests/jax $(patsubst %,tests/study/test_%.py,evaluate fuse report)
test-oldest: .venv-oldest/.done  ## The tests of core, Dask, JAX and the main commands with each dependency at its lower bound.
	$(OLD)/python -m pytest -n auto -m "not slow" -rf $(OLDEST_TESTS)

lint: .venv/.dev   ## Style, types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/.dev ## Put the code into the project's format.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.dev  ## Ours against the peers, in one run; writes benchmarks/results/.
	$(BIN)/python -m benchmarks.speed

consistency: .venv/.dev  ## Every function on every array library: the largest deviation from NumPy.
	PYTHONPATH=tests/common $(BIN)/python -m benchmarks.consistency \
		--json benchmarks/results/consistency.json --page docs/consistency.md

docs: .venv/.dev   ## The documentation as pages, in docs/_build/html.
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

picture: .venv/.demo  ## The pictures of the README and of the recipes.
	rm -rf $(OUT)-picture && mkdir -p $(OUT)-picture/two docs/images
	$(BIN)/dice-semimetric phantoms --out $(OUT)-picture/study
	cp -r $(OUT)-picture/study/raters/case05 $(OUT)-picture/study/raters/case08 $(OUT)-picture/two
	$(BIN)/dice-semimetric demo --data $(OUT)-picture/two --out $(OUT)-picture/demo
	cp $(OUT)-picture/demo/cases.png docs/images/cases.png
	$(BIN)/python tests/common/recipes.py

support: .venv/.dev  ## Call every function on every array library; write docs/support.md from it.
	$(BIN)/python -m pytest -q tests/core/test_every_library.py \
		--record-support benchmarks/results/support.json
	$(BIN)/python tests/common/support.py

clean:           ## Remove the environment and what the demo wrote.
	rm -rf .venv .venv-oldest .venv-nnunet demo-out demo-out-picture

# Its environment may be one that is there already: make gpu GPU_PYTHON=python3
GPU_PYTHON ?= $(BIN)/python
NAME ?= gpu
PART ?= benchmarks training tests
.PHONY: gpu gpu-rehearse gpu-wheels
gpu:             ## On a machine with a GPU: speed, then tests, 8 minutes; NAME=h200, PART=tests.
	@command -v nvidia-smi >/dev/null || { echo "gpu: nothing was run: there is no nvidia-smi" >&2; exit 3; }
	@[ "$(GPU_PYTHON)" != "$(BIN)/python" ] || $(MAKE) .venv/.gpu
	PYTHONPATH=.:adapters $(GPU_PYTHON) -m benchmarks.speed.gpu --name $(NAME) --part $(PART)

gpu-rehearse: .venv/.dev  ## The same on a processor, tiny, the GPU emulated.
	PYTHONPATH=.:adapters $(BIN)/python -m benchmarks.speed.gpu --rehearse --part $(PART)

gpu-wheels:      ## What `make gpu` needs and GPU_PYTHON lacks; WHEELS=DIR NEEDS=... downloads it.
	@$(if $(WHEELS),$(GPU_PYTHON) -m pip wheel --quiet --no-deps -w $(WHEELS) . && $(GPU_PYTHON) -m pip \
		download -d $(WHEELS) -c constraints.txt --only-binary :all: $(NEEDS),$(GPU_PYTHON) -m benchmarks.speed.gpu_wheels)

.venv/.gpu: .venv/.dev
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,cupy]'
	@touch $@
