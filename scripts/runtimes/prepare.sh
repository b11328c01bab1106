#!/bin/sh
# Puts other versions of the runtimes into FOLDER, each in a folder of its own, for tests/runtimes.
#
#   scripts/runtimes/prepare.sh FOLDER        (a minute; again: does what is missing)
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

packages executorch-1.4.0 executorch==1.4.0
packages executorch-1.5.1 executorch==1.5.1

if "$python312" -c '' 2>/dev/null; then
    if [ ! -e "$folder/executorch-numpy-1.4.0/ready" ]; then
        rm -rf "$folder/executorch-numpy-1.4.0"
        "$python312" -m venv "$folder/executorch-numpy-1.4.0"
        "$folder/executorch-numpy-1.4.0/bin/python" -m pip install --quiet executorch-numpy-runtime==1.4.0 numpy==2.4.6
        touch "$folder/executorch-numpy-1.4.0/ready"
    fi
else
    echo "no $python312: executorch-numpy-runtime is left out"
fi
echo "ready: $folder"
