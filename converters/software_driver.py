"""A software Vulkan driver, lavapipe of Mesa, which scripts/gpu/prepare.sh unpacks: what takes a GPU's place here."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from converters.errors import ToolchainError

VARIABLE = "EVIT_MOBILE_GPU"
"""Names the folder that scripts/gpu/prepare.sh made; without it, FOLDER of the working directory is looked for."""

FOLDER = Path(".tools/gpu")
HOW = f"run scripts/gpu/prepare.sh {FOLDER} in a checkout (or elsewhere, and set {VARIABLE} to it)"
LIBRARIES, TOOL, ICD = (
    "root/usr/lib/x86_64-linux-gnu",
    "root/usr/bin/vulkaninfo",
    "root/usr/share/vulkan/icd.d/lvp_icd.json",
)

OLDEST_MESA = 25
"""LiteRT's GPU accelerator finds no adapter in 22.3, Debian 12's own, and runs over 25.0. What lies between was not tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """A Vulkan driver as vulkaninfo describes it: the device's name, the driver's version in words, and whether shaders have fp16."""

    device: str
    version: str
    half: bool

    @property
    def words(self) -> str:
        return f"{self.device}, {self.version}, {'with' if self.half else 'without'} fp16 shaders"

    def fault(self) -> str | None:
        """Why it cannot judge, None where it can."""
        mesa = re.match(r"Mesa (\d+)\.", self.version)
        if mesa and int(mesa[1]) < OLDEST_MESA:
            return f"{self.words}: LiteRT's GPU accelerator needs Mesa {OLDEST_MESA}"
        return None if self.half else f"{self.words}: it computes in fp32, which says nothing about fp16"


def folder() -> Path:
    """Where the driver is, or would be."""
    return Path(os.environ.get(VARIABLE, FOLDER)).absolute()


CHEAP_SHADERS = {"GALLIVM_PERF": "nopt", "LP_NATIVE_VECTOR_WIDTH": "128"}
"""Mesa's llvmpipe without LLVM's optimisation, and at half the width: shaders compile in a quarter of the time, and give the same bits."""


def environment(prepared: Path) -> dict[str, str]:
    """What makes a process find the driver, compile shaders cheaply unless the caller's own environment says how, and keep them."""
    return {
        **{name: os.environ.get(name, value) for name, value in CHEAP_SHADERS.items()},
        "LD_LIBRARY_PATH": str(prepared / LIBRARIES),
        "VK_DRIVER_FILES": str(prepared / ICD),
        "VK_ICD_FILENAMES": str(prepared / ICD),
        "MESA_SHADER_CACHE_DIR": str(prepared / "shaders"),
    }


def find_driver() -> Driver | None:
    """The prepared driver; None where there is none. Raises ToolchainError where it does not answer."""
    prepared = folder()
    if not (prepared / TOOL).exists():
        return None
    known = os.environ | environment(prepared)
    answer = subprocess.run([prepared / TOOL], env=known, capture_output=True, text=True, check=False)
    return read_driver(answer.stdout)


def read_driver(answer: str) -> Driver:
    """The first device in what vulkaninfo prints. Raises ToolchainError where there is none."""
    found = dict(reversed(re.findall(r"^\s*(deviceName|driverInfo|shaderFloat16)\s*= (.*)$", answer, re.MULTILINE)))
    try:
        return Driver(
            device=found["deviceName"], version=found["driverInfo"], half=found.get("shaderFloat16") == "true"
        )
    except KeyError:
        raise ToolchainError(
            got="no device from vulkaninfo", allowed="a Vulkan driver that it describes", do=HOW
        ) from None


def missing() -> str | None:
    """None where the prepared driver can judge, else what to do."""
    try:
        driver = find_driver()
    except ToolchainError as error:
        return str(error)
    if driver is None:
        absent = f"no software GPU driver in {folder()}"
        return f"{absent}: {HOW}"
    fault = driver.fault()
    return fault and f"{fault}: {HOW}"
