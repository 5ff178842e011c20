# pesforge: `make run` and `make test` are all that is needed; STUDY=name chooses another study of config/.
STUDY ?= config
PROFILE ?=
BIN := .venv/bin
.PHONY: run plan archive verify repeat install test nightly chaos lint lock docs clean

run: .venv/.installed
	@$(BIN)/pesforge run "$(STUDY)" $(if $(PROFILE),--profile "$(PROFILE)")

plan: .venv/.installed
	@$(BIN)/pesforge plan "$(STUDY)" && $(BIN)/snakemake --dry-run --quiet rules --config study="$(STUDY)"

archive: .venv/.installed
	@$(BIN)/pesforge archive "$(STUDY)"

verify: .venv/.installed
	@$(BIN)/pesforge verify "$(STUDY)"

repeat: .venv/.installed
	@$(BIN)/python benchmarks/repeat.py

install: .venv/.installed

.venv/.installed: requirements.lock pyproject.toml envs/gpaw_siteconfig.py
	@sh envs/install.sh

test: .venv/.installed
	@$(BIN)/python -m pytest --numprocesses auto

nightly: repeat chaos
	@$(BIN)/python -m pytest -m nightly

TRIALS ?= 50
chaos: .venv/.installed
	@$(BIN)/python benchmarks/chaos.py --trials $(TRIALS)

lint: .venv/.installed
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh envs/lint.sh

lock: .venv/.installed
	@sh envs/lock.sh

docs: .venv/.installed
	@$(BIN)/pesforge settings > config/README.md && $(BIN)/pesforge example > .example.yaml && mv .example.yaml config/config.yaml

clean:
	@rm -rf .venv .snakemake .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
