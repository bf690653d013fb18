# make demo [VIDEO=my.mp4]   make test   make lint   make docs   make test-newest   make test-lowest   make clean
# demo, test, lint and docs happen in .venv, with the versions of constraints.txt. PYTHON=... chooses the Python of .venv.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test coverage lint house docs smoke test-newest test-lowest resolve constraints dist clean
.DELETE_ON_ERROR:
.NOTPARALLEL:

python := .venv/bin/python
quiet := --quiet --disable-pip-version-check
calm := HF_HUB_OFFLINE=1 OMP_WAIT_POLICY=passive OMP_NUM_THREADS=2
export PYTHON VIDEO

help:
	@echo 'make demo              install into .venv and run on a sample that mien makes itself'
	@echo 'make demo VIDEO=x.mp4  the same on your own video'
	@echo 'make test              install into .venv and run all tests'
	@echo 'make coverage          the same tests, and the share of lines that they run (a sixth slower)'
	@echo 'make lint              ruff, import-linter and mypy'
	@echo 'make house             how large, plain and well separated the code is, in figures'
	@echo 'make docs              build the pages into build/site'
	@echo 'make smoke             install into .venv, then doctor, analyze and train on clips that mien makes itself'
	@echo 'make test-newest       demo and all tests with the newest of everything, a fresh environment for each of VERSIONS'
	@echo 'make test-lowest       smoke of the core with the lowest versions that pyproject.toml allows, on Python 3.11'
	@echo 'make resolve           wheels for Python 3.14, Linux on ARM, macOS and Windows: resolved, not run'
	@echo 'make dist              build the sdist and the wheel, and check what is in them'
	@echo 'make constraints       write constraints.txt anew with the newest versions'
	@echo 'make clean             remove .venv, build, the results of the demo and all caches'

demo: .venv/.demo
	@$(python) -m mien.cli.demo $${VIDEO:+"$$VIDEO"} --out demo

test: .venv/.test
	$(calm) $(python) -m pytest -n 2 --dist worksteal -rs --durations=25 tests

coverage: .venv/.test
	HF_HUB_OFFLINE=1 OMP_WAIT_POLICY=passive OMP_NUM_THREADS=2 $(python) -m pytest -n 2 --dist worksteal -rs --cov=mien \
	  --cov-report=term:skip-covered tests

lint: .venv/.lint
	$(python) -m ruff check src tests benchmarks examples tools
	PYTHONPATH=src .venv/bin/lint-imports --no-cache
	$(python) -m mypy src

house: .venv/.models,data
	@$(python) benchmarks/house.py
	@$(calm) $(python) benchmarks/recipe_path.py

docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(python) -m mkdocs build --strict --quiet

smoke: .venv/.models,data
	$(calm) $(python) .ci/smoke.py

dist: .venv/.release
	rm -rf dist
	$(python) -m build --outdir dist .
	$(python) .ci/check_wheel.py dist

# Fresh environments under build/, nothing pinned: what a user gets who installs today.
VERSIONS ?= 3.11 3.12 3.13
TESTS ?= tests

test-newest:
	@if command -v pyenv >/dev/null; then \
	  PYENV_VERSION=$$(pyenv versions --bare | sort -rV | paste -sd:); export PYENV_VERSION; fi; \
	for version in $(VERSIONS); do \
	  place=build/newest-$$version; rm -rf "$$place"; \
	  "python$$version" -m venv "$$place"; \
	  "$$place/bin/python" -m pip install $(quiet) '.[test]'; \
	  "$$place/bin/python" -m mien.cli.demo --out "$$place/demo"; \
	  $(calm) "$$place/bin/python" -m pytest -n 2 --dist worksteal -rs $(TESTS); \
	done

# uv installs the lowest version of each requirement that stands in pyproject.toml, and the newest of what those need.
lowest := build/lowest
test-lowest: .venv/.release
	rm -rf $(lowest)
	python3.11 -m venv $(lowest)
	.venv/bin/uv pip install --quiet --python $(lowest)/bin/python --resolution lowest-direct -r pyproject.toml
	$(lowest)/bin/python -m pip install $(quiet) --no-deps .
	$(calm) $(lowest)/bin/python .ci/smoke.py --core

# For these no machine is at hand. MACOSX_DEPLOYMENT_TARGET: onnxruntime's wheels are for macOS 14 and later.
platforms := x86_64-manylinux_2_28 aarch64-manylinux_2_28 aarch64-apple-darwin x86_64-pc-windows-msvc
extras := demo models data tensorboard cluster serve mcp outputs study
resolve: .venv/.release
	@mkdir -p build
	@for version in 3.11 3.12 3.13 3.14; do for platform in $(platforms); do \
	  MACOSX_DEPLOYMENT_TARGET=14.0 .venv/bin/uv pip compile --quiet --only-binary :all: --python-version $$version \
	    --python-platform $$platform $(extras:%=--extra %) pyproject.toml --output-file build/resolved.txt; \
	  echo "Python $$version on $$platform: $$(grep -c == build/resolved.txt) packages resolved, not run"; \
	done; done

# torch: the version with a small wheel for processors. What torch brings for CUDA it pins itself.
constraints: .venv/.release
	@mkdir -p build
	@echo 'torch==2.13.0' > build/torch.txt
	.venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --extra test --extra lint \
	  --constraint build/torch.txt --no-annotate --no-header pyproject.toml --output-file build/constraints.txt
	{ head -2 constraints.txt; grep -Ev '^(nvidia-|cuda-|triton| |#)' build/constraints.txt; } > build/new.txt
	mv build/new.txt constraints.txt

clean:
	rm -rf .venv demo build dist .coverage .pytest_cache .mypy_cache .ruff_cache src/*.egg-info
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# One command of pip for each set of extras: it resolves everything together, within the constraints.
.venv/.%: .venv/.made pyproject.toml constraints.txt
	$(python) -m pip install $(quiet) -c constraints.txt -e '.[$*]'
	@touch $@

.venv/.made:
	@for name in "$${PYTHON:-}" python3.11 python3.12 python3.13 python3.14 python3 python; do \
	  if [ -n "$$name" ] && "$$name" -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' >/dev/null 2>&1; then \
	    found=$$name; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
	  echo 'make: expected Python 3.11 or later on the PATH, got none; install one (Debian, Ubuntu: apt install' \
	    'python3 python3-venv; macOS: brew install python@3.13) or name it: make PYTHON=/path/to/python' >&2; \
	  exit 1; \
	fi; \
	if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "make: expected $$found with venv and ensurepip, got it without; install them (Debian, Ubuntu: apt install" \
	    'python3-venv)' >&2; \
	  exit 1; \
	fi; \
	echo "making .venv with $$("$$found" --version) and installing; the first time this takes some minutes"; \
	"$$found" -m venv .venv
	@touch $@
