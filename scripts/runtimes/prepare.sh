#!/bin/sh
# Puts other versions of the runtimes, and libraries that apps use, into FOLDER, each in a folder of its own, for tests/runtimes.
#
#   scripts/runtimes/prepare.sh FOLDER        (minutes, 4 GB; again: does what is missing)
#
# PYTHON is the project's interpreter, whose torch and numpy they use. executorch-numpy-runtime has wheels for Python 3.12 only:
# without a python3.12 on PATH (or in PYTHON312) it is left out, and its tests are skipped.
set -eu

folder=$(mkdir -p "$1" && cd "$1" && pwd)
python=${PYTHON:-python3}
python312=${PYTHON312:-python3.12}

# packages NAME REQUIREMENT...: those alone, before the project's own on PYTHONPATH.
packages() {
    name=$1
    shift
    if [ ! -e "$folder/$name/ready" ]; then
        rm -rf "${folder:?}/$name"
        "$python" -m pip install --quiet --no-deps --target "$folder/$name" "$@"
        touch "$folder/$name/ready"
    fi
}

# environment NAME PYTHON REQUIREMENT...: those and what they need, in a virtual environment.
environment() {
    name=$1 interpreter=$2
    shift 2
    if [ ! -e "$folder/$name/ready" ]; then
        rm -rf "${folder:?}/$name"
        "$interpreter" -m venv "$folder/$name"
        "$folder/$name/bin/python" -m pip install --quiet "$@"
        touch "$folder/$name/ready"
    fi
}

packages executorch-1.4.0 executorch==1.4.0
packages executorch-1.5.1 executorch==1.5.1

environment mediapipe-1.2.3 "$python" mediapipe==1.2.3
environment litert-cli-0.2.1 "$python" litert-cli==0.2.1

if "$python312" -c '' 2>/dev/null; then
    environment executorch-numpy-1.4.0 "$python312" executorch-numpy-runtime==1.4.0 numpy==2.4.6
else
    echo "no $python312: executorch-numpy-runtime is left out"
fi

# The environments of environments.txt; their packages bring several GB.
while read -r name _runner requirements; do
    case $name in "" | "#"*) continue ;; esac
    # shellcheck disable=SC2086  # several requirements
    environment "$name" "$python" $requirements </dev/null
done <"$(dirname "$0")/environments.txt"

echo "ready: $folder"
