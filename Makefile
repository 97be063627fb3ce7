# `make demo` and `make test` are all a newcomer needs; each sets up what it needs first.
PYTHON ?= python3
BIN := .venv/bin
BUILD := build/editable
# One cmake and one ninja for every step: mixing two versions makes each of them start over.
BUILD_TOOLS := "scikit-build-core>=0.10" "pybind11>=2.13" "numpy>=1.26" torch==2.13.0 "cmake>=3.25,<4" ninja
CPP_FILES = $(shell git ls-files 'cpp/*.h' 'cpp/*.cpp' 'tests/cpp/*.cpp')
export PATH := $(abspath $(BIN)):$(PATH)

.PHONY: help demo test build system-packages lint format cpp-tests python-tests sanitize fuzz bench clean

help:
	@echo "make demo             set up, build, index real photos and search them"
	@echo "make test             set up, build, and run every check"
	@echo "make build            set up and build in place (again after each change of C++)"
	@echo "make system-packages  install the Debian packages alone"
	@echo "make sanitize         C++ tests under the address and undefined-behaviour sanitizers"
	@echo "make fuzz             ten minutes of hostile index files, sanitised (FUZZ_SECONDS=600 FUZZ_SEED=1)"
	@echo "make bench            the paired benchmarks (installs the peers)"
	@echo "make format | lint    rewrite | check the formatting, types and style"

demo: build
	$(BIN)/pictrieve demo --output demo

test: build .venv/dev.done lint cpp-tests python-tests

system-packages:
	@bash scripts/system_packages.sh

.venv/tools.done: Makefile
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(BUILD_TOOLS)
	@touch $@

# Editable, without isolation, in one fixed build folder: touching one .cpp rebuilds that file only.
build: system-packages .venv/tools.done
	$(BIN)/python -m pip install --quiet --no-build-isolation -C build-dir=$(BUILD) \
	  -C cmake.define.PICTRIEVE_TESTS=ON -e '.[demo]'

.venv/dev.done: pyproject.toml .venv/tools.done
	$(BIN)/python -m pip install --quiet --no-build-isolation -C build-dir=$(BUILD) \
	  -C cmake.define.PICTRIEVE_TESTS=ON -e '.[dev]'
	@touch $@

lint: .venv/dev.done
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/clang-format --dry-run --Werror $(CPP_FILES)
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest pictrieve._core --mypy-config-file pyproject.toml \
	  --allowlist tests/stub_allowlist.txt

format: .venv/dev.done
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CPP_FILES)

cpp-tests:
	$(BIN)/ctest --test-dir $(BUILD) --output-on-failure

python-tests:
	$(BIN)/python -m pytest

sanitize: system-packages .venv/tools.done
	$(BIN)/cmake --preset sanitize
	$(BIN)/cmake --build --preset sanitize
	ASAN_OPTIONS=detect_leaks=0 $(BIN)/ctest --preset sanitize

FUZZ_SECONDS ?= 600
FUZZ_SEED ?= 1
fuzz: system-packages .venv/tools.done
	$(BIN)/cmake --preset sanitize
	$(BIN)/cmake --build --preset sanitize --target pictrieve_index_test
	PICTRIEVE_FUZZ_SECONDS=$(FUZZ_SECONDS) PICTRIEVE_FUZZ_SEED=$(FUZZ_SEED) \
	  ASAN_OPTIONS=detect_leaks=0:max_allocation_size_mb=1024:allocator_may_return_null=0 \
	  build/sanitize/bin/pictrieve_index_test --gtest_filter='FileFuzz.*'

bench: build
	$(BIN)/python -m pip install --quiet --no-build-isolation -C build-dir=$(BUILD) \
	  -C cmake.define.PICTRIEVE_TESTS=ON -e '.[bench]'
	for script in benchmarks/[!_]*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean:
	rm -rf build .venv demo
