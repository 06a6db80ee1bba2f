# What CI runs is what you run. `make` alone lists the targets; each sets up what it needs.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
PYTHON ?= python3
BIN := .venv/bin

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.venv/ready: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, $(PYTHON) is older or missing: name one, as in make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv || \
	  { echo "no virtual environment could be made in .venv: on Debian or Ubuntu install python3-venv; check the disk"; exit 1; }
	@echo "installing the locked dependencies into .venv"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt || \
	  { echo "the dependencies could not be installed (above): check the network, the package index and the disk, then again"; \
	    exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

setup: .venv/ready ## make the virtual environment in .venv

demo: .venv/ready ## the whole thing at work, on a real API server; KEEP=1 leaves it running, SABOTAGE=1 must fail
	@$(BIN)/python -m tests.demo

demo-stop: .venv/ready ## end what `make demo KEEP=1` left running
	@$(BIN)/python -m tests.demo stop

test: .venv/ready ## lint and all tests; REQUIRE_ALL=1 fails where something would be skipped
	@$(BIN)/python -m tests.all

test-cluster: .venv/ready ## of the tests those on a real node: image, chart, injection; as root, with Debian's containerd
	@$(BIN)/python -m pytest --quiet tests/cluster

lint: .venv/ready ## what `make test` checks before the tests
	@$(BIN)/python -m tests.all lint

test-scenarios: .venv/ready ## every failure scenario on every store; writes docs/failure-modes.md; as root; ARGS="--only clock" plays some
	@$(BIN)/python -m tests.scenarios $(ARGS)

soak: .venv/ready ## 500 members on each store under random faults; MINUTES=10 SEED=7 ARGS="--stores sqlite"
	@$(BIN)/python -m tests.scenarios soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(ARGS)

benchmark: .venv/ready ## what a beat and a read cost, as ratios to the bare drivers'; ARGS="--stores sqlite" and more
	@$(BIN)/python -m tests.benchmarks $(ARGS)

compare: .venv/ready ## Nova's service groups, pod status and ours under the same faults; ARGS="--only power-off" and more
	@$(BIN)/python -m tests.compare $(ARGS)

mutations: .venv/ready ## the rules are got wrong one by one, and the tests must notice; ARGS="--only epoch"
	@$(BIN)/python -m tests.mutations $(ARGS)

format: .venv/ready ## write the sources as the formatter has them
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

chart: ## copy into the Helm chart what it must hold itself: the definition and the roles
	@cp crds/*.yaml deploy/charts/servicegroup/files/crds/ && cp deploy/*-role.yaml deploy/charts/servicegroup/files/roles/

lock: .venv/ready ## pin the newest versions that pyproject.toml allows
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --upgrade --extra operator --extra gateway --extra memcached --extra postgresql --extra mysql -o requirements/operator.txt pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --upgrade --extra operator --extra gateway --extra memcached --extra postgresql --extra mysql --group dev \
	  -o requirements/dev.txt -c requirements/operator.txt pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --group build -o requirements/build.txt -c requirements/dev.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --upgrade -o tests/compare/nova.txt tests/compare/nova.in

clean: ## remove what the targets made here; the compiled control plane stays in the cache folder
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build controller/servicegroup.egg-info

.PHONY: help setup demo demo-stop test test-cluster test-scenarios soak compare lint benchmark mutations format chart lock clean
