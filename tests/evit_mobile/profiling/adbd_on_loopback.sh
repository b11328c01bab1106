#!/bin/sh
# Runs a command with a real adbd on 127.0.0.1:5555 and its adb on PATH: unshare --net --mount sh adbd_on_loopback.sh ROOT COMMAND...
# adbd listens on every interface, so the network namespace must be one of its own. ROOT is a Debian root folder with adbd and adb.
# DISK_SIZE makes the device's disk that small; TWICE connects it under a second name.
set -eu
root=$1
shift
ip link set lo up
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mkdir -p "$root/data/local/tmp"
if [ -n "${DISK_SIZE:-}" ]; then mount -t tmpfs -o "size=$DISK_SIZE" tmpfs "$root/data/local/tmp"; fi
shim=$(mktemp -d)
trap 'kill $daemon $server 2>/dev/null || true; rm -r "$shim"' EXIT
lib=$root/usr/lib/x86_64-linux-gnu
printf '#!/bin/sh\nexec %s --library-path %s:%s %s "$@"\n' \
    "$root/usr/lib64/ld-linux-x86-64.so.2" "$lib" "$lib/android" "$root/usr/lib/android-sdk/platform-tools/adb" > "$shim/adb"
chmod 755 "$shim/adb"
chroot "$root" /usr/lib/android-sdk/platform-tools/adbd > "$shim/log" 2>&1 &
daemon=$!
"$shim/adb" nodaemon server > "$shim/server_log" 2>&1 &
server=$!
PATH=$shim:$PATH
for _ in 1 2 3 4 5 6 7 8 9 10; do
    adb connect 127.0.0.1:5555 2>/dev/null | grep -q '^connected\|^already' && break
    sleep 0.5
done >&2
if [ -n "${TWICE:-}" ]; then adb connect localhost:5555 >&2; fi
status=0
"$@" || status=$?
left=$(ls "$root/data/local/tmp")
if [ -n "$left" ]; then echo "left behind: $left" >&2; fi
exit $status
