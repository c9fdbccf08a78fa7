# `make` shows what there is to make. Everything is made inside this folder: .venvs/ and build/.

PYTHON ?= python3
SEED ?= 7
# Processes that run tests: one more than processors, for some tests wait.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(1 + min(os.cpu_count(), 7))')
UV_VERSION := 0.13.9

VENVS := .venvs
BIN := $(VENVS)/project/bin
RUN := $(BIN)/python
STAMPS := $(foreach name,project cloud sam,$(VENVS)/$(name)/.filled) $(VENVS)/bin/.filled

# Caches next to the environments: a home folder may be missing or read-only.
export UV_CACHE_DIR ?= $(CURDIR)/$(VENVS)/cache/uv
export PIP_CACHE_DIR ?= $(CURDIR)/$(VENVS)/cache/pip
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Processes start by the dozen: where the shell forbids it, each would compile all that it imports. Functions, which are
# packaged as they lie there, are imported by tests only, and these leave nothing behind.
unexport PYTHONDONTWRITEBYTECODE
# The certificates that this machine trusts: behind a proxy of a company they are not those that uv brings along.
export UV_SYSTEM_CERTS ?= true

# uv does not read pip's settings.
ifdef PIP_CERT
export SSL_CERT_FILE ?= $(PIP_CERT)
endif
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif
ifdef PIP_EXTRA_INDEX_URL
export UV_INDEX ?= $(PIP_EXTRA_INDEX_URL)
endif
ifdef PIP_FIND_LINKS
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
endif

.DEFAULT_GOAL := help
.PHONY: help setup demo life pictures up inspect rollback down sam catalog check test clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMPS) ## Make the Python environments in .venvs/ (the others do it when needed)

demo: setup ## From pictures to models in production on this machine: make demo [DATASET=folder] [SEED=7] [TASKS=detection]
	@$(RUN) -m local demo --seed $(SEED) $(if $(DATASET),--dataset "$(DATASET)") $(if $(TASKS),--tasks $(TASKS)) $(if $(PER_DEFECT),--per-defect $(PER_DEFECT))

life: setup ## What comes back: a lamp dims, a new defect comes, people are asked, the next model is right again: make life [SEED=7]
	@$(RUN) -m local life --seed $(SEED)

pictures: setup ## Only make the sample pictures, in build/pictures/transistor: make pictures [SEED=7]
	@$(RUN) -m local.pictures --out build/pictures/transistor --seed $(SEED) $(if $(GOOD),--good $(GOOD)) $(if $(PER_DEFECT),--per-defect $(PER_DEFECT)) $(if $(SIZE),--size $(SIZE))

up: setup ## Leave the local cloud with the application running in the background
	@$(RUN) -m local up

inspect: setup ## Have new pictures judged, in the local cloud of `make up` after `make demo`: make inspect FOLDER=folder [DATASET=name]
	@$(RUN) -m local inspect "$(or $(FOLDER),build/pictures/new)" $(if $(DATASET),--dataset "$(DATASET)")

rollback: setup ## Bring back what was in production before, in the local cloud of `make up`
	@$(RUN) -m local rollback

down: setup ## End the local cloud
	@$(RUN) -m local down

sam: $(VENVS)/bin/.filled ## Only the AWS SAM CLI, as .venvs/bin/sam

catalog: setup ## Say what would publish the pipeline in Service Catalog: make catalog SUPPORT=you@example.com [LAUNCHER=arn] [BOUNDARY=arn]; PUBLISH=1 does it
	@$(RUN) -m delivery.catalog --support-email "$(SUPPORT)" --launcher "$(LAUNCHER)" --permissions-boundary "$(BOUNDARY)" $(if $(PUBLISH),--publish)

check: $(VENVS)/project/.filled ## Style and types
	@echo "Checking style and types"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary

test: ## Run all tests
	@$(MAKE) --no-print-directory -j 2 setup check $(VENVS)/clients/javascript/.filled
	@echo "All tests, in $(WORKERS) processes: about 18 minutes on two cores"
	@$(RUN) -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder

clean: ## Remove everything made here
	@if [ -x $(RUN) ]; then $(RUN) -m local down; fi
	rm -rf build .aws-sam $(VENVS) .pytest_cache .hypothesis .mypy_cache .ruff_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# uv fills an environment in seconds; pip, which every Python can have, is the way where uv cannot work. Compiled once,
# packages need not be compiled by every process where PYTHONDONTWRITEBYTECODE is set.
$(VENVS)/%/.filled: requirements/%.txt $(VENVS)/uv/.filled
	@echo "Filling $(VENVS)/$*"
	@test -x $(VENVS)/$*/bin/python || $(PYTHON) -m venv --without-pip $(VENVS)/$*
	@$(VENVS)/uv/bin/uv pip sync --quiet --compile-bytecode --python $(VENVS)/$*/bin/python $< \
		|| { echo "uv could not; pip takes longer"; \
		     $(VENVS)/uv/bin/python -m pip --python $(VENVS)/$*/bin/python install --quiet -r $<; }
	@touch $@

# The AWS SDK for JavaScript, by the npm of the environment of clients.
$(VENVS)/clients/javascript/.filled: tests/javascript/package-lock.json $(VENVS)/clients/.filled
	@echo "Filling $(@D)"
	@mkdir -p $(@D) && cp tests/javascript/package*.json $(@D)
	@PATH="$(CURDIR)/$(VENVS)/clients/bin:$$PATH" npm ci --prefix $(@D) --silent --no-audit --no-fund --cache $(VENVS)/cache/npm
	@touch $@

# The two commands that people use, to be put on the PATH.
$(VENVS)/bin/.filled: Makefile $(VENVS)/sam/.filled
	@mkdir -p $(@D) && ln -sf ../sam/bin/sam $(@D)/sam
	@printf '#!/bin/sh\nhere="$$(cd "$$(dirname "$$0")/../.." && pwd)"\nPYTHONPATH="$$here" exec "$$here/$(RUN)" -m cli "$$@"\n' > $(@D)/mlops
	@chmod +x $(@D)/mlops && touch $@

# Without uv the environment still holds the pip that fills the others.
$(VENVS)/uv/.filled:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@echo "Setting up: half a minute with a fast network"
	@$(PYTHON) -m venv $(VENVS)/uv \
		|| { echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@$(VENVS)/uv/bin/python -m pip install --quiet uv==$(UV_VERSION) || echo "uv cannot be installed here; pip takes longer"
	@touch $@
