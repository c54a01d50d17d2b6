# Two commands for everyone: `make serve` and `make test`. Each sets up what it needs, once.
#   make serve             the site at http://127.0.0.1:8000 (PORT=… for another)
#   make test              lint, types, strict build, all tests, all cells of all pages
#   make record            run all snippets and write what they gave (ONLY=vit for one)
#   make test-full-size    run the full-size profile on published architectures (ONLY=vit; HUB=1 loads the hub's weights)
#   make train NAME=…      train one checkpoint again
#   make compare           time the vision checkpoints and write the table that compares them
#   make pictures          render the pictures of the pages again
#   make talk              write the slides of the talk again
#   make previews          draw the pictures that are shown where a page is shared; `make build SITE_URL=…` does it too
#   make bundle            pack checkpoints and sample inputs into bundle.zip
#   make links             list the links to other hosts in tests/external-links.txt, and follow them where a network is
#   make bench             measure verification and build; writes docs/outputs/bench.txt (RUNS=3 for medians)
#   make build             the static site, in site/
#   make publish VERSION=… put the site on the branch gh-pages, beside other versions (ALIAS=latest: a second name)
#   make newest            the whole suite with the newest torch, transformers, accelerate and peft, in .venv-newest
#   make format            format and fix the code

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

export NO_MKDOCS_2_WARNING := 1

PORT ?= 8000
VENV ?= .venv
CONFIG ?= mkdocs.yml
BIN := $(VENV)/bin
PY := $(BIN)/python
WORKERS ?= 2
READY := $(VENV)/.ready-$(shell cksum requirements.txt | cut -d' ' -f1)
only = $(if $(ONLY),--only $(ONLY))

.PHONY: publish newest ready serve test build record test-full-size train compare pictures talk previews bundle links bench format lint check system

serve: $(READY)
	@$(PY) -c 'import socket, sys; sys.exit(socket.socket().connect_ex(("127.0.0.1", int("$(PORT)"))) == 0)' || \
	  { echo "error: port $(PORT) is taken or no number; choose another, as in: make serve PORT=8001"; exit 1; }
	$(BIN)/mkdocs serve --strict --dev-addr 127.0.0.1:$(PORT) --watch snippets

test: $(READY) system lint check
	$(BIN)/mkdocs build --strict --quiet --site-dir site
	$(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

build: $(READY) check $(if $(SITE_URL),previews)
	$(BIN)/mkdocs build --strict --config-file $(CONFIG) --site-dir site

check: $(READY)
	$(PY) -m livedocs check

# A copy of the settings with a menu of versions is built, and committed to the branch; nothing is pushed.
publish: $(READY)
	@test -n "$(VERSION)" || { echo "error: name the version, as in: make publish VERSION=1.0 ALIAS=latest"; exit 1; }
	$(MAKE) build CONFIG=mkdocs.versions.yml $(if $(SITE_URL),SITE_URL=$(patsubst %/,%,$(SITE_URL))/$(or $(ALIAS),$(VERSION))/)
	$(PY) -m livedocs publish $(VERSION) $(if $(ALIAS),--alias $(ALIAS))

newest:
	$(MAKE) VENV=.venv-newest ready
	.venv-newest/bin/python -m pip install --quiet --disable-pip-version-check --upgrade torch transformers accelerate peft
	$(MAKE) VENV=.venv-newest system
	.venv-newest/bin/python -m pip list 2>/dev/null | grep -E '^(torch|transformers|tokenizers|accelerate|peft) '
	@# One test holds the installed packages against requirements.txt, which they are not meant to follow here.
	.venv-newest/bin/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder \
	  --deselect tests/test_project.py::test_requirements_are_complete

ready: $(READY)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

record: $(READY)
	$(PY) -m livedocs record $(only)

test-full-size: $(READY)
	$(PY) -m livedocs full-size $(only) $(if $(HUB),--hub)

train: $(READY)
	$(PY) -m training $(NAME)

compare: $(READY)
	$(PY) -m training.compare

pictures: $(READY)
	$(PY) -m sample_data

talk: $(READY)
	$(PY) -m livedocs talk

previews: $(READY) system
	$(PY) -m livedocs previews

bundle: $(READY)
	$(PY) -m livedocs bundle

links: $(READY)
	$(PY) -m livedocs links --write tests/external-links.txt --follow

bench: $(READY)
	$(PY) -m livedocs bench $(if $(RUNS),--runs $(RUNS))

$(READY): requirements.txt
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: python3 is older than 3.11; install Python 3.11 or newer"; exit 1; }
	@echo "Setting up $(VENV) (once; torch is large)"
	python3 -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.txt
	@# Some builds of torch need more, such as CUDA's libraries; the CPU build needs nothing that is not there.
	$(PY) -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' requirements.txt)"
	@$(PY) -c 'import pathlib, site; pathlib.Path(site.getsitepackages()[0], "project.pth").write_text(str(pathlib.Path.cwd()))'
	@rm -f $(VENV)/.ready-*
	@touch $@

# The browser for the tests of the built site.
system:
	@command -v chromium >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing Chromium"; apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y chromium >/dev/null; \
	  else echo "error: the tests of the built site need Chromium: install the Debian package 'chromium', or run as root"; exit 1; fi; }
