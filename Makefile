# make demo   export MobileNetV2 and run it on a photo; train LeNet, export int8, name ten held-out digits
# make test   lint, types and all tests
# make jetson build the Jetson image for arm64 and run it as a Cortex-A57 (Debian 12, root)
# make check  lint, types and generated tables only
# make tables write the tables of README and docs anew
# make clean  remove what these made
PYTHON ?= python3
BIN := .venv/bin
# tflite-runtime has no wheel past Python 3.11, so its environment takes an older Python where there is one.
OLD_PYTHON := $(firstword $(foreach p,$(PYTHON) python3.11 python3.10,$(shell $(p) -c 'import sys; v = sys.version_info; print("$(p)" if (3, 10) <= v < (3, 12) else "")' 2>/dev/null)))
SOURCES := pyproject.toml $(shell find zoo export cli -name '*.py' -o -name '*.tsv' -o -name '*.json' -o -path '*/static/*')

PAGES := README.md $(wildcard docs/*.md)

.PHONY: demo test check tables jetson clean

demo: .venv/ready
	$(BIN)/python tools/demo

test: check .venv-base/ready .venv-tflite-runtime/ready
	$(BIN)/python -m pytest

check: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m cogapp --check -I tools $(PAGES)

tables: .venv/ready
	$(BIN)/python -m cogapp -r -I tools $(PAGES)

jetson: .venv/ready
	$(BIN)/python tools/jetson-emulate

# All of it, editable, for developing.
.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@

# What a board has: the installed wheel and the base dependencies, no TensorFlow.
.venv-base/ready: $(SOURCES)
	$(PYTHON) -m venv .venv-base
	.venv-base/bin/python -m pip install --quiet --upgrade pip
	rm -rf build  # a module deleted since would come along
	.venv-base/bin/python -m pip install --quiet --force-reinstall --no-deps .
	.venv-base/bin/python -m pip install --quiet .
	touch $@

# The older runtime, which needs numpy 1, and tflite-support, which reads our metadata back.
.venv-tflite-runtime/ready: $(SOURCES)
ifeq ($(OLD_PYTHON),)
	@echo "no Python 3.10 or 3.11 here: the tests on tflite-runtime will be skipped"
else
	$(OLD_PYTHON) -m venv .venv-tflite-runtime
	.venv-tflite-runtime/bin/python -m pip install --quiet --upgrade pip
	rm -rf build
	.venv-tflite-runtime/bin/python -m pip install --quiet --force-reinstall --no-deps .
	.venv-tflite-runtime/bin/python -m pip install --quiet '.[tflite-runtime]' tflite-support
	touch $@
endif

clean:
	rm -rf .venv .venv-base .venv-tflite-runtime demo build dist *.egg-info
