# `make demo` and `make test` do all of their own set-up; every target can be repeated.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What a fresh Debian 12 lacks: to build kernels, to run and debug guests, to make an initramfs and a venv.
PACKAGES := bc bison ca-certificates ccache flex gcc gdb git libarchive13 libc6-dev libelf-dev make patch perl \
            python3-venv qemu-system-x86 qemu-utils util-linux xz-utils
# The same on other distributions, from their package lists; not tried.
FEDORA := bc bison ca-certificates ccache flex gcc gdb git glibc-devel elfutils-libelf-devel libarchive make patch \
          perl python3 qemu-img qemu-system-x86-core util-linux xz
ARCH := bc bison ca-certificates ccache flex gcc gdb git glibc libarchive libelf make patch perl python qemu-img \
        qemu-system-x86 util-linux xz
# In a first demo, pip and the kernel source need only the first of these, the compiler none of the others.
FIRST := ca-certificates python3-venv
BROWSER := chromium
# The hosts of a fleet, in tests. Where systemd runs, the package would start a server that everybody reaches.
HOSTS := iproute2 $(if $(wildcard /run/systemd/system),,openssh-server)
LATER := gdb qemu-system-x86 qemu-utils
# make demo notes here what each stage took; $(call stage,NAME) adds the shell that it begins.
STAGES := runs/demo.stages
stage = $(if $(SIDE_BY_SIDE),trap "printf '%s\t%s\t%s\n' '$(1)' $$(date +%s.%N) \"\$$(date +%s.%N)\" >>$(STAGES)" EXIT;)
# Only `make demo` sets it, for itself: a variable of this name in the environment does not count.
SIDE_BY_SIDE :=
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
# One worker per core that this process may use.
WORKERS ?= auto

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Universal: what only a later Python needs is in it as well. stdin has the packages that an editable install needs.
COMPILE = printf '%s\n' editables $$($(BIN)/python -c 'import tomllib; \
              print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"])') \
          | $(BIN)/uv pip compile - pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-header

# The source folder is the checkout, so that links between pages are paths of files.
SITE = $(BIN)/sphinx-build -c docs -W --keep-going -n -q

.PHONY: help setup setup-dev version packages packages-first packages-build packages-tests demo demo-source \
        demo-bytecode demo-kernels test lint mutants bench architecture man schemas docs \
        docs-links lock dist clean

help: ## say what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup: packages version ## install what is missing for the demo: Debian packages, then .venv

setup-dev: setup $(VENV)/.ready-dev packages-tests ## the same, with all extras and the tools for tests

# Without them, the tests of pages and of a fleet's hosts are skipped.
packages-tests: | packages
	@$(MAKE) --no-print-directory packages PACKAGES="$(BROWSER) $(HOSTS)" FEDORA="$(BROWSER) iproute openssh-server" \
	    ARCH="$(BROWSER) iproute2 openssh" \
	    || echo "without these, the tests of pages and of a fleet's hosts are skipped"

packages: WANTED = $(PACKAGES) ## install the Debian packages that are missing
packages-first: WANTED = $(FIRST)
packages-build: WANTED = $(filter-out $(LATER),$(PACKAGES))
ifdef SIDE_BY_SIDE
packages: | packages-build
packages-build: | packages-first
endif

# A package also counts as installed if another one provides it: Debian 13 has libarchive13t64, which provides
# libarchive13. Without any kernel source in the package lists, these were never fetched. Side by side, only
# packages-first fetches them, for all groups: the kernel source is looked up in them meanwhile.
# sudo itself ends with status 1, apt-get with 100.
packages packages-first packages-build:
	@$(call stage,packages) \
	if [[ -n "$(SIDE_BY_SIDE)" && $@ != packages-first ]]; then later=1; else later=; fi; \
	if ! command -v apt-get >/dev/null; then \
	    if [[ -n "$$later" ]]; then exit 0; fi; \
	    echo -n "not a Debian machine, so nothing is installed; "; \
	    if command -v dnf >/dev/null; then echo "on Fedora, this installs what is needed: dnf install $(FEDORA)"; \
	    elif command -v pacman >/dev/null; then echo "on Arch, this installs what is needed: pacman -S --needed $(ARCH)"; \
	    else echo "please install what these packages hold: $(PACKAGES)"; fi; \
	    exit 0; fi; \
	have=$$(dpkg-query -W -f='$${db:Status-Status} $${Package}, $${Provides}\n' \
	    | sed -nE 's/^installed //; T; s/ *\([^)]*\)//g; s/, */\n/gp'); \
	missing=(); all=(); \
	for package in $(PACKAGES); do \
	    if grep -qxF "$$package" <<<"$$have"; then continue; fi; \
	    all+=("$$package"); \
	    if [[ " $(WANTED) " == *" $$package "* ]]; then missing+=("$$package"); fi; \
	done; \
	todo="apt-get update"; \
	if (($${#all[@]})); then todo+=" && apt-get install -y --no-install-recommends $${all[*]}"; fi; \
	if ((! $${#missing[@]})) && [[ -n "$$later" ]]; then exit 0; fi; \
	if ((! $${#all[@]})) && [[ -n "$$(apt-cache pkgnames linux-source-)" ]]; then exit 0; fi; \
	refused() { echo "this needs an administrator, as you are not root and $$1: $$todo"; exit $$(($${#all[@]} > 0)); }; \
	failed() { \
	    if [[ -n "$(SUDO)" && $$1 == 1 ]]; then refused "sudo refused"; fi; \
	    if (($${#all[@]})); then exit $$1; else exit 0; fi; \
	}; \
	if [[ -n "$(SUDO)" ]] && ! command -v sudo >/dev/null; then refused "there is no sudo"; fi; \
	if (($${#missing[@]})); then echo "installing $${missing[*]}"; fi; \
	if [[ -z "$$later" ]]; then $(SUDO) apt-get update -qq || failed $$?; fi; \
	if (($${#missing[@]})); then \
	    $(SUDO) env DEBIAN_FRONTEND=noninteractive \
	        apt-get install -qq -o Dpkg::Use-Pty=0 -y --no-install-recommends "$${missing[@]}" || failed $$?; \
	fi

# An environment that works stays that of the Python that made it: venv would give it the files of another one.
$(VENV)/.ready: requirements.lock pyproject.toml | $(if $(SIDE_BY_SIDE),packages-first,packages)
	@echo "installing the Python packages of requirements.lock (0.3 GB on disk)"
	@$(call stage,Python packages) \
	$(BIN)/python -c 'import ssl' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV); \
	$(PIP) --require-hashes $(if $(SIDE_BY_SIDE),--no-compile) -r requirements.lock; \
	rm -f $(VENV)/.commit
	@touch $@

# The version is worked out when the package is installed, so each commit is installed anew.
version: $(VENV)/.ready
	@commit=$$(git rev-parse HEAD 2>/dev/null || echo none); \
	if [[ "$$commit" != "$$(cat $(VENV)/.commit 2>/dev/null)" ]]; then \
	    $(PIP) --no-build-isolation --no-deps --no-index --editable .; \
	    echo "$$commit" >$(VENV)/.commit; \
	fi

# The versions are those of requirements.lock, so this only adds packages; after version, as both write into .venv.
$(VENV)/.ready-dev: requirements-dev.lock $(VENV)/.ready | version
	@echo "installing the Python packages of requirements-dev.lock (1.6 GB on disk with those before)"
	$(PIP) --require-hashes -r requirements-dev.lock
	touch $@

# The first time, what does not need one another comes side by side: first what pip needs; then what the compiler needs,
# while pip and the kernel source come too; then QEMU, while the first kernel is compiled.
demo: ## build kernels and an image, run campaigns/demo.toml, print who woke when, and how long it took
	@mkdir -p runs && rm -f $(STAGES)
	@$(MAKE) --no-print-directory --jobs=4 SIDE_BY_SIDE=1 packages \
	    $(if $(wildcard $(VENV)/.ready),version,demo-kernels demo-bytecode)
	$(BIN)/memnotify run campaigns/demo.toml -o runs/demo --stages $(STAGES)

demo-source: version
	@$(BIN)/memnotify run campaigns/demo.toml --prepare source --stages $(STAGES)

# What pip would have done before anything else could begin. While the source is unpacked, a core is idle.
demo-bytecode: demo-source
	@$(BIN)/python -m compileall -q $(abspath $(VENV))/lib || true

demo-kernels: packages-build demo-source
	@$(BIN)/memnotify run campaigns/demo.toml --prepare kernels --stages $(STAGES)

lint: setup-dev ## ruff, mypy, the layers of the package, TOML against its schemas, the documentation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/draw_architecture.py --check
	$(BIN)/python docs/write_schemas.py --check
	RUST_LOG=warn $(BIN)/taplo lint
	$(BIN)/python docs/write_man_pages.py --check
	$(BIN)/codespell
	$(BIN)/python -m tests.support.prose
	$(SITE) -b html . build/docs

test: setup-dev lint ## lint, then every test; builds the kernels it needs
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

# MODULES names them inside the package: `make mutants MODULES="check/metrics.py records/compare.py"`.
mutants: setup-dev ## change MODULES (else what the branch changed) and say what no test notices
	nice $(BIN)/python -m tests.support.mutants $(MODULES)

bench: setup-dev ## run every program in bench/ into bench/results/
	mkdir -p bench/results
	for program in bench/*.py; do \
	    $(BIN)/python $$program --json bench/results/$$(basename $$program .py).json; \
	done

architecture: setup-dev ## draw docs/explanation/architecture.svg from the import graph
	$(BIN)/python docs/draw_architecture.py

docs: setup-dev ## build the documentation as a site, build/docs/index.html
	$(SITE) -b html . build/docs
	@echo 'the documentation: build/docs/index.html'

docs-links: setup-dev ## visit every address of another site that the documentation names
	$(SITE) -b linkcheck . build/links

schemas: setup-dev ## write schemas/ from the tables that check TOML files
	$(BIN)/python docs/write_schemas.py

man: setup-dev ## write docs/man1, the manual pages, from the help of the commands
	$(BIN)/python docs/write_man_pages.py

# The versions of the demo's packages hold for those of the tests too: both share .venv.
lock: setup-dev ## pin the versions and hashes of all Python packages anew
	$(PIP) uv
	$(COMPILE) --output-file requirements.lock
	$(COMPILE) --extra dev --constraint requirements.lock --output-file requirements-dev.lock

# hatchling gives every file in it the time of the commit, so the same commit gives the same bytes.
dist: setup-dev ## build a wheel and an sdist into dist/, from the commit that is checked out
	@if [[ -e .git && -n "$$(git status --porcelain)" ]]; then \
	    echo "make dist: there are changes that are not committed; commit or stash them (git status)" >&2; \
	    exit 2; \
	fi
	rm -rf dist
	epoch=$$(git log -1 --format=%ct 2>/dev/null) && export SOURCE_DATE_EPOCH=$$epoch; \
	$(BIN)/python -m hatchling build -t sdist -t wheel
	cd dist && sha256sum *

clean: ## remove the runs, the site and .venv (the store in the cache folder stays)
	rm -rf $(VENV) runs dist build bench/results
