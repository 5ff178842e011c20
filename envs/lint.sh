#!/bin/sh
# All static checks, from the repository's root with the environment's bin folder in PATH.
set -eu
ruff check .
ruff format --check .
snakefmt --check Snakefile workflow
mypy
lint-imports
snakemake --lint
snakemake --lint --config study=mlearn
snakemake --lint --config study=silicon-rounds
