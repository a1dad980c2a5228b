# make demo   run MobileNetV2 on a photo; train LeNet and name ten held-out digits; train a detector and find digits on photos
# make test   lint, types and the tests, on all cores (WORKERS=1: one after the other); make test-quick: without the slow ones
# make test-long  what make test leaves out to be done sooner: full sizes, several workers, kills, benchmarks
# make docs   make site, and run the commands and programs of README and docs as they are written there
# make site   build the documentation's site into docs/_build/html
# make jetson build the Jetson image for arm64 and run it as a Cortex-A57 (Debian 12, root)
# make check  lint, types and generated tables only
# make tables write the tables of README and docs anew
# make benchmarks  all of them, hours; writes docs/benchmarks.json and the tables of the docs
# make dist   sdist and wheel, checked; make sbom: what is installed with the wheel; make release-check: both, tried
# make lock   the Jetson image's locks anew, after a change of its pins; make audit: known vulnerabilities, lowest and newest
# make parity EfficientNet-Lite and MobileNetV4 beside timm's models; TORCH=torch==VERSION+cpu takes a smaller PyTorch
# make fuzz   the parsers that read strangers' files, for FUZZ_SECONDS each (60)
# make mutants  small faults in the core modules, which their own tests have to notice; over an hour on two cores that others use as well
# make matrix the wheel on every Python that is here, with the newest and the lowest dependencies (PYTHONS='3.10 3.13': on these)
# make clean  remove what these made
PYTHON ?= python3
BIN := .venv/bin
# tflite-runtime has no wheel past Python 3.11, so its environment takes an older Python where there is one. Looked for
# when it is needed: by then a Python may have been installed.
OLD_PYTHON = $(firstword $(foreach p,$(PYTHON) python3.11 python3.10,$(shell $(p) -c 'import sys; v = sys.version_info; print("$(p)" if (3, 10) <= v < (3, 12) else "")' 2>/dev/null)))
# Whatever the user's are: the files here are UTF-8, assertions count, and no other packages are wanted. Byte code is kept:
# otherwise each process of tests would rewrite the assertions of 400 files, which takes it six seconds.
export LC_ALL := C.UTF-8
unexport PYTHONDONTWRITEBYTECODE PYTHONHOME PYTHONOPTIMIZE PYTHONPATH PYTHONWARNINGS
# What a fresh Debian lacks: installed where that is allowed, else said in one line.
SYSTEM = PYTHON='$(PYTHON)' tools/system-packages
SOURCES := pyproject.toml $(shell find zoo export cli -name '*.py' -o -name '*.tsv' -o -name '*.json' -o -path '*/static/*')

PAGES := README.md $(wildcard docs/*.md)

.PHONY: demo test test-long test-quick check tables site docs benchmarks dist sbom release-check matrix parity lock audit fuzz mutants jetson clean

demo: .venv/ready
	$(BIN)/python tools/demo

# A file's tests stay in one process, which makes what they share once; the longest files come first (tests/order.py). A
# process that crashes ends the run: pytest-xdist would wait for its tests without end. One process more than there are
# cores, up to four, because some tests wait.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n < 4 ? n + 1 : 4)))
PARALLEL = -n $(WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0
ENVIRONMENTS = .venv/ready .venv-base/ready .venv-tflite-runtime/ready

# What the pages say is run by `make docs`, what a release publishes by `make release-check`.
ELSEWHERE = --ignore tests/docs --ignore tests/test_packaging.py --ignore tests/tools/test_releases.py

test: check $(ENVIRONMENTS) .venv-mediapipe/ready
	@$(SYSTEM) install tests
	$(BIN)/python -m pytest $(PARALLEL) --durations 10 -m 'not long' $(ELSEWHERE)

# What `make test` leaves out to stay short: full sizes, several workers, kills, damaged files, benchmarks, most modes of nets.
test-long: $(ENVIRONMENTS)
	@$(SYSTEM) install tests
	$(BIN)/python -m pytest $(PARALLEL) --durations 10 -m long $(ELSEWHERE)

# What a developer runs before a commit: nothing that takes more than about 0.4 s, in the environment as it is. It ends with
# the longest of its tests, and says which are to be marked as slow. These tests hardly wait: one process for each core, as
# each imports TensorFlow.
test-quick: WORKERS = $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n < 4 ? n : 4)))
test-quick: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/python -m pytest $(PARALLEL) -m 'not slow and not long' $(ELSEWHERE)

check: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m cogapp --check -I tools $(PAGES)

tables: .venv/ready
	$(BIN)/python tools/sizes.py
	$(BIN)/python -m cogapp -r -I tools $(PAGES)

# The tables are written anew even where one failed: the others are there.
benchmarks: $(ENVIRONMENTS) .venv-mediapipe/ready
	$(BIN)/python benchmarks/all.py; code=$$?; $(BIN)/python -m cogapp -r -I tools $(PAGES) && exit $$code

# Strict: a warning, such as a link or a name in a docstring that leads nowhere, fails. All pages anew: a page that is not
# read again is not warned of again.
site: .venv/ready
	$(BIN)/sphinx-build -W --keep-going -E -q -b html docs docs/_build/html
	@echo docs/_build/html/index.html

docs: site $(ENVIRONMENTS)
	@$(SYSTEM) install tests
	$(BIN)/python -m pytest $(PARALLEL) --durations 10 tests/docs

# The wheel comes from the sdist, as for those who install from one.
dist: .venv/ready
	rm -rf build dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/twine check --strict dist/*
	@wc -c dist/*

sbom: dist
	$(BIN)/python tools/release sbom

# The very files of dist/, as a stranger would install them.
release-check: sbom
	@$(SYSTEM) install tests
	EDGEZOO_DIST=dist $(BIN)/python -m pytest tests/test_packaging.py tests/tools/test_releases.py

matrix: dist
	@$(SYSTEM) install tests
	nice $(BIN)/python tools/matrix $(addprefix --python ,$(PYTHONS))

parity: .venv/ready .venv-parity/ready
	$(BIN)/python tools/parity --python .venv-parity/bin/python

lock: .venv/ready
	$(BIN)/python tools/release lock

# Exit code 77: the service that knows vulnerabilities cannot be asked from here.
audit: .venv/ready
	$(BIN)/python tools/release audit

FUZZ_SECONDS ?= 60
fuzz: .venv/ready
	$(BIN)/python -m benchmarks.reliability.step fuzz --count $(FUZZ_SECONDS) --keep build/fuzz

# The table is written anew where the run was whole.
mutants: .venv/ready
	$(BIN)/python tools/mutants.py
	$(BIN)/python -m cogapp -r -I tools docs/reliability.md

jetson: .venv/ready
	$(BIN)/python tools/jetson-emulate
	$(BIN)/python tools/jetson-emulate --runtime litert --with serve --only contents --only serve

# All of it, editable, for developing. setuptools warns of every such installation, in ten lines.
.venv/ready: pyproject.toml
	@$(SYSTEM) install make
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@

# What a board has: the installed wheel and the base dependencies, no TensorFlow.
.venv-base/ready: $(SOURCES)
	@$(SYSTEM) install make
	$(PYTHON) -m venv .venv-base
	.venv-base/bin/python -m pip install --quiet --upgrade pip
	rm -rf build  # a module deleted since would come along
	.venv-base/bin/python -m pip install --quiet --force-reinstall --no-deps .
	.venv-base/bin/python -m pip install --quiet .
	touch $@

# The older runtime, which needs numpy 1, and tflite-support, which reads our metadata back.
.venv-tflite-runtime/ready: $(SOURCES)
	@$(SYSTEM) install make
	@if [ -z "$(OLD_PYTHON)" ]; then \
		echo "no Python 3.10 or 3.11 here: the tests on tflite-runtime will be skipped"; exit; fi; \
	set -ex; \
	PYTHON='$(OLD_PYTHON)' tools/system-packages install make; \
	$(OLD_PYTHON) -m venv .venv-tflite-runtime; \
	.venv-tflite-runtime/bin/python -m pip install --quiet --upgrade pip; \
	rm -rf build; \
	.venv-tflite-runtime/bin/python -m pip install --quiet --force-reinstall --no-deps .; \
	.venv-tflite-runtime/bin/python -m pip install --quiet '.[tflite-runtime]' tflite-support; \
	touch $@

# What runs our detectors besides our runner. It has no wheel for some Pythons and processors.
.venv-mediapipe/ready:
	@$(SYSTEM) install make
	$(PYTHON) -m venv .venv-mediapipe
	@if .venv-mediapipe/bin/python -m pip install --quiet --disable-pip-version-check mediapipe; then touch $@; else \
		rm -rf .venv-mediapipe; echo "MediaPipe cannot be installed here: the tests that run it will be skipped"; fi

# timm, which our nets are compared with; not the package itself.
TORCH ?= torch
.venv-parity/ready:
	@$(SYSTEM) install make
	$(PYTHON) -m venv .venv-parity
	.venv-parity/bin/python -m pip install --quiet --disable-pip-version-check '$(TORCH)' timm safetensors
	touch $@

clean:
	rm -rf .venv .venv-base .venv-tflite-runtime .venv-mediapipe .venv-parity demo build dist dist-sbom docs/_build *.egg-info
