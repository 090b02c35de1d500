#!/bin/sh
# Installs Ordinaut from the repository that this file is in, every dependency pinned by its hash, unless there is an
# `ordinaut` already. So whoever pins this kit by a commit has pinned all of it.
#
#   examples/ci/bin/install.sh FOLDER      an environment in FOLDER, with FOLDER/bin/ordinaut
set -eu

if command -v ordinaut >/dev/null; then
  exit 0
fi
repository=$(cd "$(dirname "$0")/../../.." && pwd)
python3 -m venv "$1"
set -- "$1/bin/python" -m pip install --quiet --disable-pip-version-check
"$@" --require-hashes -r "$repository/requirements/runtime.lock"
"$@" --require-hashes -r "$repository/requirements/build.lock"
"$@" --no-deps --no-build-isolation "$repository"
