# One command each; every one does its own set-up (virtual environment, dependencies, build) and
# does it again only when something it depends on has changed.
#
#   make serve   start the archive        make check  lint, types, contracts, stubs, generated files
#   make test    run the tests            make asan   the native ring under AddressSanitizer and UBSan
#   make bench   run the benchmarks       make fuzz   search longer for inputs that break the native ring
#   make docs    build the documentation  make clean  remove what was built (keeps ./pacs-data)
#   make fuzz-codecs   decode 2,000 damaged frames with each codec
#   make three-nodes   50,000 instances into three archives on one PostgreSQL and one S3, which are killed meanwhile
#   make churn  24,000 associations come and go; make soak: every service at once for MINUTES; what is left is counted
#   make crash  an archive killed under load, CRASH_ROUNDS times with each index, and at named calls; make powercut
#   make sizing  fill an index of each kind, and extrapolate to a thousand million instances
#
# Needed beforehand: Python 3.11 or newer with its headers and venv, a C compiler, make.
# Variables: PYTHON (interpreter to start from), VENV, ARGS (passed to pytest or asv), DIR, AE, PORT (serve),
# FUZZ_SECONDS, FUZZ_TARGETS, MINUTES (soak), CRASH_ROUNDS (crash, powercut).

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
    $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV ?= .venv
DIR ?= ./pacs-data
AE ?= PACSKIT
PORT ?= 11112
ARGS ?=
FUZZ_SECONDS ?= 600
MINUTES ?= 20
CRASH_ROUNDS ?= 100
FUZZ_TARGETS ?= scanner json xml charset pdu dimse machine

BIN := $(VENV)/bin
PY := $(BIN)/python
PIP := $(PY) -m pip --disable-pip-version-check -qq
NATIVE := $(wildcard pacskit_ext/*.pyx pacskit_ext/*.pxd pacskit_ext/*.h) setup.py
ASAN := build/asan

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help build serve test check bench asv-check docs asan fuzz fuzz-more fuzz-codecs churn soak crash powercut \
    three-nodes sizing codegen clean FORCE

help:
	@sed -n '4,12s/^# *//p' Makefile

# ---- set-up -------------------------------------------------------------------------------------

$(PY):
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "pacskit needs Python 3.11 or newer: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "creating $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "venv is missing; on Debian: apt install python3-venv" >&2; exit 1; }

$(VENV)/.installed: pyproject.toml MANIFEST.in | $(PY)
	@$(PY) -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' \
	    || { echo "Python's headers are missing; on Debian: apt install python3-dev" >&2; exit 1; }
	@echo "installing pacskit into $(VENV)"
	@$(PIP) install -U 'pip>=25.1'
	@$(PIP) install --group build
	@$(PIP) install --no-build-isolation -e .
	@touch $@

$(VENV)/.group-%: pyproject.toml | $(VENV)/.installed
	@echo "installing the tools for $*"
	@$(PIP) install --group $*
	@touch $@

# Built anew too when a compiled module has been removed.
ifneq ($(words $(wildcard pacskit_ext/*.pyx)),$(words $(wildcard $(patsubst %.pyx,%.*.so,$(wildcard pacskit_ext/*.pyx)))))
REBUILD := FORCE
endif
FORCE:

$(VENV)/.built: $(NATIVE) $(VENV)/.installed $(REBUILD)
	@echo "building the native ring"
	@$(PY) setup.py -q build_ext --inplace >/dev/null
	@touch $@

build: $(VENV)/.built

# ---- what one runs ------------------------------------------------------------------------------

serve: $(VENV)/.built
	@printf '%s\n' "When it listens, try in another terminal:" \
	    "  $(BIN)/pacskit echo $(AE)@127.0.0.1:$(PORT)" \
	    "  $(BIN)/pacskit store $(AE)@127.0.0.1:$(PORT) FILE.dcm" \
	    "  $(BIN)/pacskit find $(AE)@127.0.0.1:$(PORT) --level STUDY PatientName='*'"
	@exec $(PY) -m pacskit serve --dir $(DIR) --ae $(AE) --port $(PORT)

test: $(VENV)/.built $(VENV)/.group-test
	@$(PY) -m pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

check: $(VENV)/.built $(VENV)/.group-check
	@PATH="$(abspath $(BIN)):$$PATH" VENV_PYTHON="$(abspath $(PY))" sh .ci/check

bench: $(VENV)/.built $(VENV)/.group-bench
	@cd asv_bench && ../$(BIN)/asv machine --yes >/dev/null && ../$(BIN)/asv run --quick --show-stderr -E existing:$(abspath $(PY)) $(ARGS)
	@$(PY) -m asv_bench.compare

asv-check: $(VENV)/.built $(VENV)/.group-bench
	@cd asv_bench && ../$(BIN)/asv check -E existing:$(abspath $(PY))

docs: $(VENV)/.built $(VENV)/.group-docs
	@$(BIN)/sphinx-build -q -W --keep-going -d docs/_build/doctrees -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

codegen: $(VENV)/.installed
	@$(PY) -m pacskit_ext.codegen

# (faulthandler looks at the frames of a running thread, which a sanitized allocator may have freed.)
# The sanitized build lives in a tree of its own, put first on the path, so that the release build stays.
$(ASAN)/.built: $(NATIVE) $(wildcard pacskit_ext/*.py) $(VENV)/.installed
	@echo "building the native ring with sanitizers"
	@PACSKIT_BUILD=asan $(PY) setup.py -q build_ext --build-lib $(ASAN) --build-temp build/asan-objects >/dev/null
	@mkdir -p $(ASAN)/pacskit_ext/codegen
	@cp -R pacskit_ext/codegen pacskit_ext/*.py pacskit_ext/*.pyi pacskit_ext/py.typed $(ASAN)/pacskit_ext/
	@touch $@

ASAN_TESTS := $(wildcard tests/unit/native tests/unit/core tests/unit/encoding tests/unit/network tests/fuzz tests/conformance)
SANITIZED = LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
    PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
    PACSKIT_NATIVE=$(abspath $(ASAN)) PYTHONPATH=$(abspath $(ASAN))

asan: $(ASAN)/.built $(VENV)/.group-test
	@$(SANITIZED) PACSKIT_HYPOTHESIS=asan $(PY) -P -m pytest -p no:cacheprovider -o faulthandler_timeout=0 -m "not interop and not slow" $(ASAN_TESTS) $(ARGS)

# Mutations of real inputs into the decoders, FUZZ_SECONDS long each; fuzz-more is hypothesis in depth.
fuzz: $(ASAN)/.built $(VENV)/.group-test
	@$(SANITIZED) PYTHONPATH=$(abspath $(ASAN)):$(CURDIR) $(PY) -P -m tests.fuzz.run --seconds $(FUZZ_SECONDS) $(FUZZ_TARGETS)

fuzz-more: $(ASAN)/.built $(VENV)/.group-test
	@$(SANITIZED) PACSKIT_HYPOTHESIS=fuzz $(PY) -P -m pytest -p no:cacheprovider -o faulthandler_timeout=0 --timeout=3600 tests/fuzz $(ARGS)

fuzz-codecs: $(VENV)/.built $(VENV)/.group-test
	@PACSKIT_MUTATIONS=2000 $(PY) -m pytest -p no:cacheprovider --timeout=3600 -k mutation tests/fuzz $(ARGS)

# On loopback alone; the report ends with what went wrong, and so does the exit code.
churn: $(VENV)/.built $(VENV)/.group-test
	@$(PY) -m tests.soak churn $(ARGS)

soak: $(VENV)/.built $(VENV)/.group-test
	@$(PY) -m tests.soak mixed --minutes $(MINUTES) $(ARGS)

# What was acknowledged has to be there, and nothing by half: see tests/crash/README.md.
crash: $(VENV)/.built $(VENV)/.group-test
	@for index in sqlite postgresql; do \
	    $(PY) -m tests.crash kills --index $$index --rounds $(CRASH_ROUNDS) $(ARGS) && \
	    $(PY) -m tests.crash points --index $$index $(ARGS) || exit 1; \
	done

powercut: $(VENV)/.built $(VENV)/.group-test
	@$(PY) -m tests.crash powercuts --rounds $(CRASH_ROUNDS) $(ARGS)

three-nodes: $(VENV)/.built $(VENV)/.group-test
	@$(PY) -m tests.scale $(ARGS)

sizing: $(VENV)/.built $(VENV)/.group-bench
	@$(PY) -m asv_bench.sizing $(ARGS)
	@$(PY) -m asv_bench.sizing --index postgresql --instances 10000 100000 $(ARGS)

clean:
	@rm -rf build dist docs/_build $(VENV) .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache *.egg-info
	@rm -f pacskit_ext/*.so pacskit_ext/*.c pacskit_ext/*.html
