# Each target sets up what it needs in .venv, from Python 3.10+, make and, for the fast kernels, a C++ compiler.
#
#   make demo     train the three cells on the long-memory sentence and show what they remember
#   make test     run the tests
#   make test-studio  the tests of the Studio's page in a browser, with those that `make test` leaves out for their length
#   make check    formatting, lint (JavaScript too), types, architecture
#   make sanitize  the kernels on recorded random calls under AddressSanitizer and UBSan; or SANITIZER=thread
#   make bench    time the layers against torch.nn, ONNX Runtime, OpenVINO, JAX and the usual Python loops
#
# Another PyTorch: make demo TORCH_VERSION=2.9.1 VENV=elsewhere; the README says how to take another build of it.

PYTHON ?= python3
VENV ?= .venv
TORCH_VERSION ?= 2.13.0
WORKERS ?= 2
SANITIZER ?= address

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SOURCES := $(shell find src csrc -type f ! -name '*.so' ! -name '*.pyc' 2>/dev/null) CMakeLists.txt README.md LICENSE

.PHONY: demo test test-studio check sanitize bench install browser clean

demo: install
	$(BIN)/holdfast demo $(ARGS)

test: install browser
	$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

test-studio: install browser
	$(BIN)/python -m pytest tests/studio -m "long or not long" $(ARGS)

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/oxlint src/holdfast/studio/static
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python -m pytest -q tests/test_architecture.py

sanitize: install
	$(BIN)/python -m tests.csrc.sanitize --sanitizer $(SANITIZER) $(ARGS)

bench: install $(VENV)/.peers
	$(BIN)/python -m benchmarks.run $(ARGS)

install: $(VENV)/.package

$(VENV)/.venv:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.torch-$(TORCH_VERSION): $(VENV)/.venv
	$(PIP) install 'torch==$(TORCH_VERSION)'
	rm -f $(VENV)/.torch-*
	touch $@

# The first install, and each after a change of pyproject.toml, brings the dependencies; later ones only rebuild.
$(VENV)/.package: $(VENV)/.torch-$(TORCH_VERSION) pyproject.toml $(SOURCES)
	if [ $@ -nt pyproject.toml ]; then $(PIP) install --no-deps .; else $(PIP) install '.[all,dev]' 'torch==$(TORCH_VERSION)'; fi
	touch $@

# The page's tests need Chromium: Debian's, where it is missing and may be installed; without one they are skipped.
browser:
	@if command -v chromium >/dev/null || command -v chromium-browser >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null \
	  || echo "Chromium could not be installed: the tests of the Studio's page will be skipped."; \
	else echo "No Chromium: the tests of the Studio's page will be skipped (Debian: apt-get install chromium)."; fi

# The peers come with the benchmark alone. Where one has no wheel the others still run, and the table says who is absent.
$(VENV)/.peers: benchmarks/requirements.txt | $(VENV)/.package
	$(PIP) install -r $< || echo "Some peers could not be installed; the table names those that are absent."
	touch $@

clean:
	rm -rf $(VENV) build dist
