#!/bin/sh
# Prepares a folder in which LiteRT runs as on an Arm phone: an arm64 Debian without root rights, qemu, and LiteRT's aarch64 wheels.
#
#   scripts/arm/prepare.sh FOLDER        (400 MB, about two minutes; again: does what is missing)
#
# Needs debootstrap, dpkg-deb and apt-get of a Debian-like x86-64 machine, and Python with pip. Downloads from the Debian mirror
# (set MIRROR for another one) and the package index, and from nowhere else. Nothing is installed on the machine.
set -eu

folder=$(mkdir -p "$1" && cd "$1" && pwd)
mirror=${MIRROR:-http://deb.debian.org/debian}
python=${PYTHON:-python3}

if [ ! -e "$folder/root/usr/bin/python3.11" ]; then
    rm -rf "$folder/root"
    debootstrap --arch=arm64 --foreign --variant=minbase \
        --include=python3,libstdc++6,libgomp1,zlib1g,ca-certificates bookworm "$folder/root" "$mirror"
    for package in "$folder"/root/var/cache/apt/archives/*.deb; do
        dpkg-deb -x "$package" "$folder/root"
    done
fi

# Bookworm's own qemu 7.2 crashes in LiteRT's interpreter; trixie's does not.
if [ ! -e "$folder/qemu-aarch64" ]; then
    work=$folder/apt
    mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/etc"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$work/etc/sources.list"
    options="-o Dir::Etc::SourceList=$work/etc/sources.list -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists=$work/lists
        -o Dir::Cache=$work -o Dir::Cache::archives=$work/archives -o APT::Sandbox::User=root"
    # shellcheck disable=SC2086  # a list of options
    (cd "$work" && apt-get $options update -q && apt-get $options download -q qemu-user)
    dpkg-deb -x "$work"/qemu-user_*.deb "$work/qemu"
    mv "$work/qemu/usr/bin/qemu-aarch64" "$folder/qemu-aarch64"
    rm -rf "$work"
fi

if [ ! -e "$folder/site/ai_edge_litert" ]; then
    "$python" -m pip install --quiet --target "$folder/site" --only-binary=:all: --python-version 3.11 --implementation cp --abi cp311 \
        --platform manylinux2014_aarch64 --platform manylinux_2_17_aarch64 --platform manylinux_2_27_aarch64 \
        --platform manylinux_2_28_aarch64 ai-edge-litert==2.3.0
fi
echo "ready: $folder"
