#!/bin/sh
# Prepares a folder with Debian 13 and its Swift 6 compiler, in which the Linux tests of ios_demo run.
#
#   scripts/ios/prepare.sh FOLDER        (3.2 GB, about two minutes; again: nothing)
#
# Needs root, debootstrap (apt-get install debootstrap) and a Debian mirror (MIRROR). Nothing outside FOLDER changes: what is mounted
# is mounted in a namespace of this script's own and goes with it.
set -eu

folder=$(mkdir -p "$1" && cd "$1" && pwd)
if [ -e "$folder/prepared" ]; then
    echo "ready: $folder"
    exit
fi
if [ ! -x "$folder/usr/bin/apt-get" ]; then
    debootstrap --variant=minbase trixie "$folder" "${MIRROR:-http://deb.debian.org/debian}"
fi
unshare --mount sh -eu -c '
    mount -t proc proc "$1/proc"
    mount --bind /dev "$1/dev"
    chroot "$1" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends swiftlang=6.0.3-* libstdc++-14-dev libc6-dev zlib1g-dev
' prepare "$folder"
touch "$folder/prepared"
echo "ready: $folder"
