#!/bin/sh
# Prepares a folder with a software Vulkan driver, lavapipe of Mesa 25 with fp16 shaders, over which LiteRT's GPU accelerator runs.
#
#   scripts/gpu/prepare.sh FOLDER        (250 MB, half a minute; again: nothing)
#
# Needs dpkg-deb and apt-get of a Debian-like x86-64 machine. Downloads the packages of packages.txt, each by its version and sha256, from
# the Debian mirror and from nowhere else; nothing is installed on the machine, and no root is needed. Once a version has left the mirror,
# set MIRROR to an archive that keeps it, as http://snapshot.debian.org/archive/debian/20251101T000000Z.
set -eu

pins=$(cd "$(dirname "$0")" && pwd)/packages.txt
folder=$(mkdir -p "$1" && cd "$1" && pwd)
mirror=${MIRROR:-http://deb.debian.org/debian}
if [ -e "$folder/prepared" ] && cmp -s "$pins" "$folder/prepared"; then
    echo "ready: $folder"
    exit
fi

# Debian 12's own Mesa 22.3 lacks what the accelerator asks for; its backports have 25.0 for the same libc.
work=$folder/apt
mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/etc" "$work/debs"
for suite in bookworm bookworm-updates bookworm-backports; do
    echo "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg check-valid-until=no] $mirror $suite main"
done >"$work/etc/sources.list"
: >"$work/status"
options="-o Dir::Etc::SourceList=$work/etc/sources.list -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists=$work/lists
    -o Dir::State::status=$work/status -o Dir::Cache=$work -o Dir::Cache::archives=$work/archives -o APT::Sandbox::User=root
    -o APT::Architecture=amd64 -o Acquire::Languages=none"
versions=$(sed 's/^[0-9a-f]*  //; s/_amd64\.deb$//; s/_/=/; s/%3a/:/' "$pins")
# shellcheck disable=SC2086  # lists of options and of packages
(cd "$work/debs" && apt-get $options update -q && apt-get $options download -q $versions && sha256sum --check --quiet "$pins")

rm -rf "$folder/root"
for package in "$work"/debs/*.deb; do
    dpkg-deb -x "$package" "$folder/root"
done
rm -rf "$work"
cp "$pins" "$folder/prepared"
echo "ready: $folder"
