PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: up test check bench clean

up: $(VENV)/.ready  ## set up what is needed and start the lab
	@exec $(BIN)/netlab up

test: $(VENV)/.ready  ## the tests
	@$(BIN)/python -m compileall -q netlab servers clients captures # once, for the many processes that tests start
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal $(TESTS)

check: $(VENV)/.ready  ## formatting, lint and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

bench: $(VENV)/.bench  ## side by side with the peers found on this machine
	@$(BIN)/python -m bench $(BENCH)

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .hypothesis bench/out

$(VENV)/bin/python:
	@echo "netlab: making a virtual environment in $(VENV) (once)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "netlab needs Python 3.11 or newer; try: make PYTHON=python3.12 up" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.ready: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "netlab: installing (once, and when the pins change)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[engines,test]'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps amqtt # its pin of websockets is for what is not used here
	@touch $@

$(VENV)/.bench: $(VENV)/.ready bench/peers/mitmproxy.txt bench/peers/amqtt.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@$(BIN)/python -m venv $(VENV)/peers/mitmproxy
	@$(VENV)/peers/mitmproxy/bin/python -m pip install --quiet --disable-pip-version-check -r bench/peers/mitmproxy.txt
	@$(BIN)/python -m venv $(VENV)/peers/amqtt
	@$(VENV)/peers/amqtt/bin/python -m pip install --quiet --disable-pip-version-check -r bench/peers/amqtt.txt
	@touch $@
