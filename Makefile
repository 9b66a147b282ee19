# The commands of the course. The first one you run makes the environment (.venv), once.
#
# PYTHON=python3.12   make the environment with this interpreter
# VENV=/other/disk    put it elsewhere
# CHAPTER=ch02        the chapter that release and grade work on
# JOBS=2              how many processes test and grade
# OUT=runs/mine       where rlhf keeps its run

VENV ?= .venv
CHAPTER ?= ch02
JOBS ?= 2
OUT ?= _build/rlhf

# Any Python can run the set-up script; the script then finds one that will do.
ANY_PYTHON := $(or $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; \
	do command -v $$p && break; done),$(PYTHON))
BIN := $(abspath $(VENV))/bin
PY := $(BIN)/python
PYTEST := $(PY) -m pytest
# A group in one process, which then makes what its tests share once; in the order of tests/conftest.py.
SPREAD = -n $(JOBS) --dist loadscope --no-loadscope-reorder
# What comes before the tests, side by side. `stale` has then done what this test does.
GATES = $(MAKE) --no-print-directory -j$(JOBS) stale lint types
STALE_TEST := tests/generate/test_write.py::test_every_generated_file_is_current

# nbgrader calls the bare command `alembic`.
export PATH := $(BIN):$(PATH)
export PYTHONUTF8 := 1

.DEFAULT_GOAL := help
.PHONY: help setup course test check generate stale mutants book lab release grade lint types \
	constraints clean rlhf rlhf-acceptance gpu

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:  ## make or update the environment (every other command does this first)
	$(if $(ANY_PYTHON),,$(error no Python here: install Python 3.11 or newer))
	@$(ANY_PYTHON) autograder/bootstrap.py --python "$(PYTHON)" --venv "$(VENV)"

course: setup book  ## build the site, release chapter 2, grade a sample class, print the gradebook
	@$(PY) -m autograder course
	@echo "the site: $(CURDIR)/_build/html/index.html"

test: setup  ## run every test, also slow ones and those in a browser
	+@$(GATES)
	$(PYTEST) $(SPREAD) --deselect $(STALE_TEST)

check: setup  ## the everyday subset, some minutes
	+@$(GATES)
	$(PYTEST) $(SPREAD) -q -m "not slow and not browser and not gpu"

generate: setup  ## write stubs, checks' data, exercise pages and assignments from the author's files
	@$(PY) -m autograder generate

stale: setup  ## name every generated file that is out of date
	@$(PY) -m autograder stale

mutants: setup  ## plant small errors in every solution; the checks must notice each
	@$(PY) -m autograder mutants

book: setup  ## build the site; SOLUTIONS=1 builds the instructor's, with solution pages
	@$(PY) -m autograder.site $(if $(SOLUTIONS),--solutions)

lab: setup  ## open JupyterLab as a student sees it
	@$(PY) -m autograder lab

release: setup  ## make the student's distribution of CHAPTER
	@$(PY) -m autograder release $(CHAPTER)

grade: setup  ## grade what was submitted for CHAPTER; FROM=DIR|ZIP first collects it there
	@$(if $(FROM),$(PY) -m autograder collect "$(FROM)" --chapter $(CHAPTER))
	@$(PY) -m autograder grade $(CHAPTER) --jobs $(JOBS)

rlhf: setup  ## InstructGPT on a small GPT-2, some minutes; a report in OUT; goes on with a run that was cut
	@RLCOURSE_OVERLAY="$(CURDIR)/solutions" $(PY) -m rlcourse.recipes.instruct_gpt --resume --out "$(OUT)"

rlhf-acceptance: setup  ## the same with three seeds and three prices of a nat; half an hour, a verdict a figure
	@OMP_NUM_THREADS=1 $(PY) -m autograder.data.instruct_gpt_acceptance _build/rlhf-acceptance

gpu: setup  ## on a machine with a GPU: the tests that need one, and the finale's speed
	@$(PY) benchmarks/finale/on_gpu.py --json _build/finale.json

lint: setup  ## style and likely bugs
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check --quiet . || { echo "run: $(PY) -m ruff format ." >&2; exit 1; }

types: setup  ## type checks, with the stubs and again with the solutions in their place
	@$(PY) -m mypy
	@$(PY) -m autograder.solution_types

constraints: setup  ## pin the packages as they are installed now
	@$(PY) -m autograder.pins

clean:  ## remove what the machine made; the environment and submitted work stay
	rm -rf _build build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache book/.jupyter_cache
	find . -name __pycache__ -type d -not -path "./.venv/*" -prune -exec rm -rf {} +
