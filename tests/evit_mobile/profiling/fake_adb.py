"""A scripted stand-in for adb, for faults that a real one cannot be made to have. Paths below /data/local/tmp are in $FAKE_ADB/device.

$FAKE_ADB/devices holds the answer to `adb devices`, $FAKE_ADB/fault what goes wrong: truncated, full, gone (at the first run, back after
`wait-for-device`), lost (at the first run, for good)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HOME = Path(os.environ["FAKE_ADB"])
DEVICE, FAULT = HOME / "device", HOME / "fault"
PARENT = "/data/local/tmp"


def fail(message: str) -> None:
    print(message, file=sys.stderr)
    sys.exit(1)


def main(arguments: list[str]) -> None:
    if arguments == ["devices"]:
        print((HOME / "devices").read_text(), end="")
        return
    assert arguments[0] == "-s", "every command must name a serial"
    serial, command, *rest = arguments[1:]
    fault = FAULT.read_text() if FAULT.exists() else ""
    away = HOME / "away"
    if command == "wait-for-device":
        if fault == "lost":
            fail("adb: error: interrupted")
        away.unlink(missing_ok=True)
    elif away.exists():
        fail(f"adb: device '{serial}' not found")
    elif command == "push":
        push(Path(rest[0]), Path(rest[1].replace(PARENT, str(DEVICE))), fault)
    elif command == "shell":
        if "runner" in rest[0].split()[0] and fault in ("gone", "lost"):
            away.touch()
            fail(f"adb: device '{serial}' not found")
        sys.exit(subprocess.run(["sh", "-c", on_device(rest[0])], check=False).returncode)
    elif command == "pull":
        shutil.copyfile(on_device(rest[0]), rest[1])


def on_device(text: str) -> str:
    return text.replace(PARENT, str(DEVICE)).replace("/sdcard", str(HOME / "sdcard"))


def push(source: Path, target: Path, fault: str) -> None:
    if fault == "full" and source.suffix == ".tflite":
        target.write_bytes(b"half")
        fail(f"adb: error: failed to copy '{source}' to '{target}': remote No space left on device")
    shutil.copyfile(source, target)
    if fault == "truncated" and source.suffix == ".tflite":
        target.write_bytes(target.read_bytes()[:-1])


main(sys.argv[1:])
