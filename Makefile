# Two commands on a fresh Debian machine: `make run` and `make test`. See README.md.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# The programs and files that pvhdbg and its tests need: COMMAND=PACKAGE or FILE=PACKAGE.
RUN_TOOLS := qemu-system-x86_64=qemu-system-x86 gdb=gdb
TEST_TOOLS := $(RUN_TOOLS) gcc=gcc ld=binutils tmux=tmux git=git
# To build a Linux kernel for the tests of the 2017 RFC protocol.
TEST_TOOLS += flex=flex bison=bison bc=bc xz=xz-utils /usr/include/gelf.h=libelf-dev
# To compress kernel files. xz is one of these tools, too.
TEST_TOOLS += bzip2=bzip2 lz4=lz4
# To open reports and pictures in a real browser.
TEST_TOOLS += chromium=chromium /usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf=fonts-dejavu-core

SEED ?= 1
N ?= 20

.PHONY: help setup run dev test lint manual mutate fuzz soak mutants xen bench clean

help:
	@echo 'make run     install what is missing, then boot the teaching guest   (ARGS="KERNEL --options")'
	@echo 'make test    install what is missing, then run every check and test'
	@echo 'make dev     install what the tests need'
	@echo 'make lint    run ruff, mypy and import-linter'
	@echo 'make manual  update the generated tables and the picture in pvhdbg/manual'
	@echo 'make mutate  boot with randomly changed boot data and compare the model with the kernels   (SEED=1 N=20)'
	@echo 'make fuzz    read hostile files and other hostile input   (SEED=1 N=10000 TARGET="elf guest"; all targets)'
	@echo 'make soak    10,000 stops, 20 sessions, 1,000 kills, random walks: nothing may be left   (SEED=1 N=1000)'
	@echo 'make mutants change the package in N random places and see whether the tests notice      (SEED=1 N=20)'
	@echo 'make xen     download Xen (2.3 MB) for --xen'
	@echo 'make bench   measure what pvhdbg promises about its speed, on a quiet machine              (N=15)'
	@echo 'make setup   install QEMU, gdb and $(BIN)/pvhdbg'
	@echo 'make clean   remove $(VENV), caches and built packages'

setup: $(VENV)/.run-ready
	@.ci/install $(RUN_TOOLS)
	@$(BIN)/python -m compileall -q pvhdbg

run: setup
	@$(BIN)/pvhdbg $(ARGS)

dev: $(VENV)/.dev-ready
	@.ci/install $(TEST_TOOLS)
	@$(BIN)/python -m compileall -q pvhdbg

test: dev
	@PATH="$(CURDIR)/$(BIN):$$PATH" .ci/check all

lint: $(VENV)/.dev-ready
	@PATH="$(CURDIR)/$(BIN):$$PATH" .ci/check lint

manual: $(VENV)/.dev-ready
	@$(BIN)/python -m tests.manual.tables
	@$(BIN)/python -m tests.manual.wrap
	@$(BIN)/python -m tests.manual.screenshot

mutate: dev
	@$(BIN)/python -m tests.kernels.fetch
	@$(BIN)/python -m tests.kernels.rfc
	@$(BIN)/python -m tests.boot.mutations $(SEED) $(N)

fuzz: $(VENV)/.dev-ready
	@$(BIN)/python -m tests.fuzz --seed $(SEED) --count $(if $(filter file,$(origin N)),10000,$(N)) $(TARGET)

soak: dev
	@$(BIN)/python -m tests.soak --seed $(SEED) --kills $(if $(filter file,$(origin N)),1000,$(N))

mutants: dev
	@$(BIN)/python -m tests.mutants.run $(SEED) $(N)

xen: $(VENV)/.dev-ready
	@$(BIN)/python -m tests.kernels.fetch hypervisor

# An installed pvhdbg has its bytecode, whatever PYTHONDONTWRITEBYTECODE says here.
bench: dev
	@$(BIN)/python -m tests.kernels.fetch >/dev/null
	@$(BIN)/python -m compileall -q pvhdbg
	@$(BIN)/python -m tests.benchmarks $(if $(filter file,$(origin N)),15,$(N))

# If creating the virtual environment fails, remove it.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo 'pvhdbg: error: $(PYTHON) is missing or older than 3.11 (make PYTHON=…)' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || .ci/install python3-venv
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.run-ready: pyproject.toml $(BIN)/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev-ready: pyproject.toml $(BIN)/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.run-ready

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .grimp_cache
	find pvhdbg gdb_scripts tests -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
