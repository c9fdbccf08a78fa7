# Installs wheels for a Lambda runtime and processor, whatever this machine is: no Docker needed.
# Set both to what the stack's parameters PythonRuntime and Architecture say.
LAMBDA_RUNTIME ?= python3.14
LAMBDA_ARCHITECTURE ?= arm64
# Not every python3 has pip; the environment that `make setup` filled has it.
own_python := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))..)/.venvs/uv/bin/python
# uv does in a second what takes pip five; where there is none, or it cannot work, or somebody names a pip, pip does it.
ifeq ($(origin PIP),undefined)
UV ?= $(wildcard $(dir $(own_python))uv)
endif
PIP ?= $(if $(wildcard $(own_python)),$(own_python),python3) -m pip

version := $(LAMBDA_RUNTIME:python%=%)
machine := $(if $(filter arm64,$(LAMBDA_ARCHITECTURE)),aarch64,x86_64)
# glibc of Amazon Linux 2023 is 2.34; pip wants every older tag by name.
platforms := $(foreach tag,manylinux_2_28 manylinux_2_27 manylinux_2_17 manylinux2014,--platform $(tag)_$(machine))

define install-wheels
	@$(if $(UV),$(UV) pip install --quiet --target "$(ARTIFACTS_DIR)/python" --requirement $(1) --only-binary :all: \
	  --python-version $(version) --python-platform $(machine)-manylinux_2_28 ||) \
	$(PIP) install --quiet --disable-pip-version-check --target "$(ARTIFACTS_DIR)/python" --requirement $(1) \
	  --no-compile --only-binary :all: --implementation cp --python-version $(version) $(platforms)
	rm -rf "$(ARTIFACTS_DIR)/python/bin" "$(ARTIFACTS_DIR)/python/.lock"
	find "$(ARTIFACTS_DIR)" \( -name tests -o -name '*.pyi' \) -prune -exec rm -rf {} +
endef
