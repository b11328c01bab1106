"""What is measured: the literal table of commands."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A command of both builds. In it, {files} is a folder of `convert` and `profile`, {sweep} one of `sweep`, {plan} a plan of
    one, {out} an empty folder, {photos} one of photos, {few} one of few images.

    `time` and `memory` are the goals: at most this multiple of the earlier build's. `new` marks what the earlier build has not. What runs
    until Ctrl-C gets one after `interrupted_s`. `package` is one that it needs and this project's usual installation has not.
    """

    name: str
    title: str
    command: str
    time: float | None = None
    memory: float | None = None
    new: bool = False
    interrupted_s: float = 0
    package: str | None = None

    @property
    def possible(self) -> bool:
        """Whether what it needs is installed."""
        return self.package is None or find_spec(self.package) is not None


M0 = "efficientvit_m0.int8"

THREE = "--format coreml --format tflite --format executorch"
"""The formats of the usual installation: `all` are more where an extra is there."""

TASKS: tuple[Task, ...] = (
    Task(
        name="photos",
        title="convert m0, int8, three formats, 512 photos of 12 megapixels",
        command=f"convert --model efficientvit_m0 {THREE} --int8 --calib {{photos}} --no-cache --out {{out}}",
        time=0.2,
        memory=1.2,
    ),
    Task(
        name="large",
        title="convert l1 (random weights), int8, LiteRT",
        command="convert --model efficientvit_l1 --weights random --format tflite --int8 --no-cache --out {out}",
        time=0.5,
        memory=0.5,
    ),
    Task(
        name="b3",
        title="convert b3 (random weights), int8, LiteRT, 96 images",
        command="convert --model efficientvit_b3 --weights random --format tflite --int8 --calib {few} --allow-few --no-cache --out {out}",
        time=0.5,
        memory=0.5,
    ),
    Task(
        name="l3",
        title="convert l3 (random weights) at 384 pixels, int8, LiteRT, 96 images",
        command="convert --model efficientvit_l3 --size 384 --weights random --format tflite --int8 --calib {few} --allow-few --no-cache"
        " --out {out}",
        time=0.5,
        memory=0.5,
    ),
    Task(
        name="convert",
        title="convert m0, int8, three formats",
        command=f"convert --model efficientvit_m0 {THREE} --int8 --no-cache --out {{out}}",
    ),
    Task(name="validate", title="validate, three files", command="validate {files}"),
    Task(name="evaluate", title="evaluate, 256 images", command=f"evaluate {{files}}/{M0}.tflite --limit 256"),
    Task(name="profile", title="profile, LiteRT", command=f"profile {{files}}/{M0}.tflite --budget 2"),
    Task(name="compare", title="compare", command=f"compare {{files}}/{M0}.tflite {{files}}/{M0}.pte"),
    Task(name="sensitivity", title="sensitivity of m0", command="sensitivity --model efficientvit_m0 --no-cache"),
    Task(name="inspect-tflite", title="inspect, LiteRT", command=f"inspect {{files}}/{M0}.tflite"),
    Task(name="inspect-executorch", title="inspect, ExecuTorch", command=f"inspect {{files}}/{M0}.pte"),
    Task(name="inspect-coreml", title="inspect, Core ML", command=f"inspect {{files}}/{M0}.mlpackage"),
    Task(name="report", title="report", command="report {files} --out {out}.html"),
    Task(name="export-app", title="export-app web", command="export-app web --from {files} --out {out}"),
    Task(name="models", title="models", command="models"),
    Task(name="doctor", title="doctor", command="doctor"),
    Task(name="help", title="--help", command="--help"),
    Task(
        name="publish",
        title="publish --dry-run",
        command="publish {files} --to hf://me/m0 --weights-license mit --dry-run",
        new=True,
    ),
    Task(name="serve", title="serve, 5 s", command="serve {files} --port 0", interrupted_s=5),
    Task(
        name="sweep", title="sweep, m0 at 64 pixels, LiteRT", command="sweep {plan} --out {out} --workers 1", new=True
    ),
    Task(name="best", title="best", command="best {sweep}", new=True),
    Task(
        name="compile",
        title="compile for SM8650, LiteRT",
        command=f"compile {{files}}/{M0}.tflite --soc SM8650",
        new=True,
        package="onnxruntime_qnn",
    ),
)
"""`serve` needs `npm ci --prefix web_demo`, `compile` the extra qualcomm (docs/qualcomm.md)."""

PREPARED: dict[str, tuple[str, ...]] = {
    "{files}": (
        f"convert --model efficientvit_m0 {THREE} --int8 --out {{files}}",
        f"profile {{files}}/{M0}.tflite --budget 2",
        f"profile {{files}}/{M0}.pte --budget 2",
    ),
    "{sweep}": ("sweep {plan} --out {sweep} --workers 1",),
}
"""The commands that write what others read."""
