"""The Kotlin compiler and JUnit 5 that scripts/android/prepare.sh fetched."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "android_demo"
STANDINS = Path(__file__).parent / "standins"
TIMEOUT_S = 600.0
PREPARED = ("kotlinc", "executorch.jar", "java", "compose", "android-23.jar")
JUNIT = (
    "junit-jupiter-api",
    "junit-jupiter-engine",
    "junit-platform-commons",
    "junit-platform-engine",
    "apiguardian-api",
)
CONSOLE = ("junit-platform-console", "junit-platform-launcher", "junit-platform-reporting", "opentest4j", "picocli")
REPORTING = ("opentest4j-reporting-events", "opentest4j-reporting-schema")


class KotlinError(AssertionError):
    """The compiler's or JUnit's own words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """A prepared folder."""

    folder: Path

    @property
    def ready(self) -> bool:
        """Whether prepare.sh got to its end."""
        return all((self.folder / name).exists() for name in PREPARED)

    @property
    def compose(self) -> Path:
        """Classes of Compose, lifecycle, coroutines and serialization."""
        return self.folder / "compose"

    @property
    def executorch(self) -> Path:
        """ExecuTorch's Java API; its native code is not there."""
        return self.folder / "executorch.jar"

    @property
    def android(self) -> Path:
        """Android 6's framework, the newest that Debian packages."""
        return self.folder / "android-23.jar"

    @property
    def jna(self) -> Path:
        return self.folder / "java" / "jna.jar"

    @property
    def jna_properties(self) -> dict[str, object]:
        """Where JNA finds its native half: Debian's build looks in the system's folders, and then where Java does."""
        return {
            "jna.nosys": "false",
            "java.library.path": self.folder / "java",
            "jna.boot.library.path": self.folder / "java",
            "jna.boot.library.name": "jnidispatch.system",
            "jna.nounpack": "true",
        }

    @property
    def junit(self) -> list[Path]:
        names = (*JUNIT, *CONSOLE, *REPORTING)
        return [self.folder / "java" / f"{name}.jar" for name in names] + [
            self.library("kotlin-test"),
            self.library("kotlin-test-junit5"),
        ]

    def library(self, name: str) -> Path:
        """A jar that comes with the compiler."""
        return self.folder / "kotlinc" / "lib" / f"{name}.jar"

    def compile(
        self, sources: Sequence[Path], out: Path, classpath: Sequence[Path], plugins: Sequence[str] = ()
    ) -> Path:
        """Compiles Kotlin folders or files to class files in `out`. Raises KotlinError, also for warnings."""
        preloader = "org.jetbrains.kotlin.preloading.Preloader"
        compiler = "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"
        command = ["java", "-Xmx1500m", "-cp", str(self.library("kotlin-preloader")), preloader]
        command += ["-cp", str(self.library("kotlin-compiler")), compiler, "-kotlin-home", str(self.folder / "kotlinc")]
        command += ["-Werror", "-jvm-target", "17", "-d", str(out), "-cp", joined(classpath)]
        command += [f"-Xplugin={self.library(name)}" for name in plugins]
        run([*command, *map(str, sources)])
        return out

    def test(self, classes: Path, classpath: Sequence[Path], properties: Mapping[str, object]) -> tuple[int, str]:
        """Runs every JUnit test of a folder of classes. Returns how many there were, and what was printed. Raises KotlinError."""
        whole = [classes, *classpath, *self.junit, self.library("kotlin-stdlib")]
        command = [
            "java",
            "-Xmx1500m",
            *(f"-D{name}={value}" for name, value in properties.items()),
            "-cp",
            joined(whole),
        ]
        command += ["org.junit.platform.console.ConsoleLauncher", "--scan-classpath", str(classes)]
        printed = run([*command, "--disable-banner", "--disable-ansi-colors", "--details", "tree"])
        (successful,) = re.findall(r"(\d+) tests successful", printed)
        return int(successful), printed


def joined(paths: Sequence[Path]) -> str:
    return os.pathsep.join(map(str, paths))


def run(command: Sequence[str]) -> str:
    """What a program prints. Raises KotlinError when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S, check=False)
    if done.returncode:
        raise KotlinError(f"{command[0]} ... {command[-1]}\n{done.stdout[-8000:]}\n{done.stderr[-8000:]}")
    return done.stdout


TOOLS = Tools(folder=ROOT / ".tools" / "android")
