"""Swift on this machine: the one on PATH, or the one in the folder that scripts/ios/prepare.sh made."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "ios_demo"
STANDINS = Path(__file__).parent / "standins"
PREPARED = Path(os.environ.get("EVIT_MOBILE_SWIFT_ROOT", "/opt/evit-mobile-swift"))
TIMEOUT_S = 600.0


class SwiftError(AssertionError):
    """The compiler's or the tests' own words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swift:
    """`root` is the prepared folder, or None for the Swift on PATH."""

    root: Path | None

    @property
    def missing(self) -> str | None:
        """Why it cannot run, or None."""
        if self.root is None:
            return None
        if not (self.root / "prepared").exists():
            return f"no swift on PATH and none in {self.root}: run `make test-ios`"
        return None if os.geteuid() == 0 else f"{self.root} is entered with chroot, which only root may"

    def run(self, command: Sequence[str], folder: Path, variables: Mapping[str, object] | None = None) -> str:
        """What a program prints that sees the repository and `folder` under their own names. Raises SwiftError when it fails."""
        environment = {**os.environ, **{name: str(value) for name, value in (variables or {}).items()}}
        whole = command if self.root is None else self.entering(command, folder)
        done = subprocess.run(
            whole, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S, check=False, env=environment
        )
        if done.returncode:
            raise SwiftError(f"{shlex.join(command)}\n{done.stdout[-12000:]}\n{done.stderr[-8000:]}")
        return done.stdout

    def entering(self, command: Sequence[str], folder: Path) -> list[str]:
        """The command inside the prepared folder. Only what it starts sees the mounts, and they go with it."""
        mounts = [f"mount -t proc proc {self.root}/proc", f"mount --bind /dev {self.root}/dev"]
        for seen in (ROOT, folder):
            inside = Path(f"{self.root}{seen}")
            inside.mkdir(parents=True, exist_ok=True)
            mounts.append(f"mount --bind {shlex.quote(str(seen))} {shlex.quote(str(inside))}")
        entered = f"cd {shlex.quote(str(ROOT))} && exec {shlex.join(command)}"
        script = [*mounts, f"exec chroot {self.root} env HOME=/root sh -c {shlex.quote(entered)}"]
        return ["unshare", "--mount", "sh", "-e", "-c", "\n".join(script)]


SWIFT = Swift(root=None if shutil.which("swift") else PREPARED)
