# make demo [VIDEO=my.mp4]   make test   make lint   make docs   make clean
# Everything happens in .venv, with the versions of constraints.txt. PYTHON=... chooses the Python to make it with.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test lint docs clean
.DELETE_ON_ERROR:
.NOTPARALLEL:

ifeq ($(shell uname -s)-$(shell uname -m),Linux-aarch64)
constraints := constraints-aarch64.txt
else
constraints := constraints.txt
endif

python := .venv/bin/python
export PYTHON VIDEO

help:
	@echo 'make demo              install into .venv and run on a sample that mien makes itself'
	@echo 'make demo VIDEO=x.mp4  the same on your own video'
	@echo 'make test              install into .venv and run all tests'
	@echo 'make lint              ruff and mypy on src'
	@echo 'make docs              build the pages into build/site'
	@echo 'make clean             remove .venv, the results of the demo and all caches'

demo: .venv/.demo
	@$(python) -m mien.demo $${VIDEO:+"$$VIDEO"} --out demo

test: .venv/.test
	HF_HUB_OFFLINE=1 OMP_WAIT_POLICY=passive OMP_NUM_THREADS=2 $(python) -m pytest -n 2 -rs tests

lint: .venv/.lint
	$(python) -m ruff check src
	$(python) -m mypy src

docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(python) -m mkdocs build --strict --quiet

clean:
	rm -rf .venv demo build dist .pytest_cache .mypy_cache .ruff_cache src/*.egg-info
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# One command of pip for each set of extras: it resolves everything together, within the constraints.
.venv/.%: .venv/.made pyproject.toml $(constraints)
	$(python) -m pip install --quiet --disable-pip-version-check -c $(constraints) -e '.[$*]'
	@touch $@

.venv/.made:
	@for name in "$${PYTHON:-}" python3.11 python3.12 python3 python; do \
	  if [ -n "$$name" ] && "$$name" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' \
	    >/dev/null 2>&1; then found=$$name; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
	  echo 'make: expected Python 3.11 or 3.12 on the PATH, got none; install one (Debian, Ubuntu: apt install' \
	    'python3.11 python3.11-venv; macOS: brew install python@3.11) or name it: make PYTHON=/path/to/python' >&2; \
	  exit 1; \
	fi; \
	if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "make: expected $$found with venv and ensurepip, got it without; install them (Debian, Ubuntu: apt install" \
	    'python3-venv, or python3.11-venv)' >&2; \
	  exit 1; \
	fi; \
	echo "making .venv with $$("$$found" --version) and installing; the first time this takes some minutes"; \
	"$$found" -m venv .venv
	@touch $@
