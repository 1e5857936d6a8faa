# What a person types. Set-up is by the scripts, which do nothing when nothing has changed.

HOST ?= 127.0.0.1
PORT ?= 8000
MUTANTS ?= 2000
SEED ?= 1
NAME ?= localhost

is_3.11 = -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null
PYTHON ?= $(shell for python in python3.11 python3 python /usr/bin/python3.11; do \
	$$python $(is_3.11) && { echo $$python; break; }; done)

SERVICES := .venvs/services/bin/python
MODELS := .venvs/models/bin/python
TOOLS := .venvs/tools/bin/python
SAMPLES := .cache/samples/.made

.PHONY: help setup demo serve up down logs certs roll test test-compose test-export fuzz lint types bench bench-rollout lock clean python environments torch today assets
.NOTPARALLEL:
.DEFAULT_GOAL := help

help:  ## say what there is
	@sed -nE 's/^([a-z-]+):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup: $(SAMPLES)  ## environments, assets and samples, whatever of them is missing

demo: setup  ## set up, start the stack, judge a genuine clip and its forged twin, stop
	@$(SERVICES) -m telltale_local demo

serve: setup  ## the stack in the foreground on HOST:PORT (127.0.0.1:8000); Ctrl-C stops it
	@exec $(SERVICES) -m telltale_local serve --host $(HOST) --port $(PORT)

up: python  ## build and start the stack of compose.yaml, and wait until it is healthy
	@$(PYTHON) scripts/deploy.py prepare --name $(NAME)
	docker compose up --detach --build --wait
	@echo 'It asks for keys. With that of the first client:'
	@echo '  curl --cacert nginx/certs/fullchain.pem -H "X-API-Key: $$(cat secrets/telltale_api_key)" -F file=@clip.mp4' \
		'https://$(NAME)/predict'
	@echo 'For more: docker compose run --rm keys create NAME'

down:  ## stop that stack
	docker compose --profile monitoring down

logs:  ## what that stack says, as it says it
	docker compose --profile monitoring logs --follow --tail 100

certs: python  ## a certificate of our own for NAME (localhost), where nginx/certs/ holds none
	@$(PYTHON) scripts/deploy.py certs --name $(NAME)

roll: python  ## replace the gateways of that stack by new ones, losing no request
	@$(PYTHON) scripts/deploy.py roll gateway

test: torch setup  ## set up what is missing, then lint, types and tests
	@$(SERVICES) scripts/check.py

test-compose: setup  ## the stack of compose.yaml on a real Docker engine; as root on Debian, or where docker runs
	@$(SERVICES) -m pytest tests/compose -v -s --override-ini addopts="-ra --strict-markers --import-mode=importlib"

test-export: torch  ## convert every architecture as large as it is published, with random weights; takes minutes
	@$(MODELS) -m pytest tests/export -m full_size --timeout 1800

fuzz: environments assets  ## hostile files against preprocessing: MUTANTS=2000 of SEED=1
	@$(SERVICES) -m tests.fuzz --mutants $(MUTANTS) --seed $(SEED)

lint: environments  ## ruff
	@$(SERVICES) scripts/check.py --only ruff

types: torch  ## mypy --strict
	@$(SERVICES) scripts/check.py --only mypy

bench: setup today  ## what preprocessing takes, beside the least it can, and the gateway itself; ten minutes on an idle machine
	@$(SERVICES) bench/preprocess.py
	@$(SERVICES) -m telltale_local run -- $(SERVICES) bench/gateway.py

bench-rollout: environments assets  ## swaps, kills and restarts under load: every request counted; quarter of an hour
	@$(SERVICES) bench/rollout.py

lock: python  ## write requirements/*.txt anew from requirements/*.in
	@$(PYTHON) scripts/environments.py tools
	@$(PYTHON) scripts/lock.py

clean:  ## delete everything that was made here: environments, assets, samples, caches
	rm -rf .venvs .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

python:
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 found. On Debian 12: sudo apt-get install python3.11;" \
		"elsewhere: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) $(is_3.11) || { echo "error: $(PYTHON) is not Python 3.11. Use: make PYTHON=/path/to/python3.11" >&2; exit 1; }

environments: python
	@$(PYTHON) scripts/environments.py services triton models

torch: python
	@$(PYTHON) scripts/environments.py services triton models torch

today: python
	@$(PYTHON) scripts/environments.py bench

assets: environments
	@$(TOOLS) scripts/assets.py

$(SAMPLES): $(wildcard export/telltale_export/samples/*.py) | environments assets
	@$(MODELS) -m telltale_export samples --portrait .cache/assets/astronaut.png --to .cache/samples
	@touch $@
