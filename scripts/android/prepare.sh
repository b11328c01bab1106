#!/bin/sh
# Prepares a folder with what the JVM tests of android_demo need: the Kotlin compiler, JUnit 5, JNA,
# ExecuTorch's Java API (older than the release the app asks for), a Compose runtime for desktops, and Android 6's classes.
#
#   scripts/android/prepare.sh FOLDER        (500 MB, about a minute; again: does what is missing)
#
# Needs a Debian 12 x86-64 machine with Java 17, npm, apt-get, dpkg-deb and Python with pip. Downloads from npm, the package index and
# the machine's Debian mirror, in pinned versions, and from nowhere else. Nothing is installed on the machine, and nothing of it is
# part of the app or redistributed. Of ciris-client's jar (as a whole AGPL) only the Apache-licensed classes of androidx, JetBrains and
# Kotlin are taken: no other package index of those at hand carries a Compose runtime.
set -eu

folder=$(mkdir -p "$1" && cd "$1" && pwd)
python=${PYTHON:-python3}

if [ ! -e "$folder/kotlinc/lib/kotlin-compiler.jar" ]; then
    (
        cd "$folder"
        archive=$(npm pack --silent kotlin-compiler@2.4.20)
        echo "29e70cd78d185cc7e4d5292548477984256f406f  $archive" | sha1sum --check --quiet
        tar xzf "$archive" && rm "$archive" && rm -rf kotlinc && mv package kotlinc
    )
fi

if [ ! -e "$folder/executorch.jar" ]; then
    (
        cd "$folder"
        archive=$(npm pack --silent react-native-executorch@0.8.4) # the only package of npm's or the index's with ExecuTorch's Java API
        echo "be496c718170cc14fe673954cb9fcc01704166b6  $archive" | sha1sum --check --quiet
        tar xzf "$archive" package/android/libs/classes.jar && rm "$archive"
        mv package/android/libs/classes.jar executorch.jar && rm -rf package
    )
fi

if [ ! -e "$folder/java/junit-platform-console.jar" ]; then
    work=$folder/apt
    rm -rf "$work" && mkdir -p "$work"
    (cd "$work" && apt-get download -q -o APT::Sandbox::User=root junit5=5.9.2-1 libapiguardian-java libopentest4j-java \
        libopentest4j-reporting-java libpicocli-java libjna-java=5.13.0-2 libjna-jni=5.13.0-2)
    for package in "$work"/*.deb; do
        dpkg-deb -x "$package" "$work/root"
    done
    mkdir -p "$folder/java"
    cp -L "$work"/root/usr/share/java/*.jar "$work"/root/usr/lib/*/jni/libjnidispatch.system.so "$folder/java/"
    rm -rf "$work"
fi

if [ ! -e "$folder/compose/libskiko-linux-x64.so" ]; then
    work=$folder/wheel
    rm -rf "$work" && mkdir -p "$work"
    echo "ciris-client==0.5.234 --hash=sha256:aec3365f259994333d4271d76a77b16213ad78369365550e8cb6e6eac190aa35" >"$work/requirements.txt"
    "$python" -m pip download --quiet --no-deps --require-hashes --only-binary=:all: -d "$work" -r "$work/requirements.txt"
    "$python" - "$work" "$folder/compose" <<'END'
import sys, zipfile
from pathlib import Path

OURS = ("androidx/", "org/jetbrains/", "kotlinx/coroutines/", "kotlinx/serialization/", "libskiko-linux-x64", "META-INF/services/kotlinx")
(wheel,) = Path(sys.argv[1]).glob("*.whl")
with zipfile.ZipFile(wheel) as outer:
    (name,) = (name for name in outer.namelist() if name.endswith(".jar"))
    with zipfile.ZipFile(outer.extract(name, sys.argv[1])) as jar:
        jar.extractall(sys.argv[2], [name for name in jar.namelist() if name.startswith(OURS) or name.endswith(".kotlin_module")])
END
    rm -rf "$work"
fi
# Only Debian's unstable has it. Nothing newer than Android 6 is packaged; tests/android_demo/standins adds what came since.
if [ ! -e "$folder/android-23.jar" ]; then
    work=$folder/apt
    rm -rf "$work" && mkdir -p "$work/lists/partial" "$work/archives/partial"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${MIRROR:-http://deb.debian.org/debian} sid main" >"$work/sources.list"
    options="-o Dir::Etc::SourceList=$work/sources.list -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists=$work/lists
        -o Dir::Cache=$work -o Dir::Cache::archives=$work/archives -o APT::Sandbox::User=root"
    # shellcheck disable=SC2086  # a list of options
    (cd "$work" && apt-get $options update -q && apt-get $options download -q libandroid-23-java)
    dpkg-deb -x "$work"/libandroid-23-java_*.deb "$work/root"
    cp "$work/root/usr/share/java/com.android.android-23.jar" "$folder/android-23.jar"
    rm -rf "$work"
fi
echo "ready: $folder"
