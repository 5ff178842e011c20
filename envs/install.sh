#!/bin/sh
# Creates .venv and installs everything from the lock file. Usage: envs/install.sh, from the repository's root.
set -eu

PYTHON="${PYTHON:-}"
if [ -z "$PYTHON" ]; then
    for candidate in python3.11 python3 python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            PYTHON="$candidate"
            break
        fi
    done
fi
if [ -z "$PYTHON" ] || ! "$PYTHON" -c 'import sys, venv; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
    echo "pesforge needs Python 3.11 with venv: install it (Debian: apt-get install python3.11-venv) or name it: make PYTHON=/path/to/python3.11 install" >&2
    exit 1
fi
if ! command -v g++ >/dev/null 2>&1; then
    echo "pesforge needs a C++ compiler to build GPAW: install g++ (Debian: apt-get install g++)" >&2
    exit 1
fi

echo "installing into .venv (a few minutes the first time) ..."
[ -x .venv/bin/python ] || "$PYTHON" -m venv .venv
# GPAW is compiled against nothing but the compiler's own libraries, by this file.
GPAW_CONFIG="$(pwd)/envs/gpaw_siteconfig.py"
export GPAW_CONFIG
.venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
.venv/bin/python -m pip check
touch .venv/.installed
