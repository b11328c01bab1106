"""An .onnx file on Hexagon an operation at a time: each reads the codes that the CPU gave, so that its own error is all that shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from converters.onnx.compiled import binary_of
from converters.onnx.file import read_model
from converters.onnx.steps import QUANTIZE, Step, ends_of, side_by_side, steps_of
from converters.onnx.target import OnnxRunner, OnnxSession, input_spec, output_spec
from converters.qualcomm.emulator import Emulator
from converters.qualcomm.socs import Soc
from converters.traits import StepDifference

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto, ValueInfoProto

TOGETHER = 60
"""Steps that are compiled as one binary, which takes seconds."""
CARRIED = {QUANTIZE, "DequantizeLinear", "Identity", "Reshape"}
"""What says nothing of a step that does something else as well."""
FINER = {"int8": 1, "uint16": 256}
"""How many codes are a quantum of 8 bits over the same range: Hexagon's products of 16 bits are not exact to the last of them."""

Compile = Callable[[Path, Soc], "ModelProto"]
Codes = dict[str, "np.ndarray"]


def differences(path: Path, soc: Soc, image: np.ndarray, compile: Compile) -> tuple[StepDifference, ...]:
    """Every step of the file on the emulator of `soc` against ONNX Runtime's CPU. Raises ArtefactError, ToolchainError."""
    model = read_model(path)
    ends, steps = ends_of(model), steps_of(model)
    codes = cpu_codes(model, [ends[step.result] for step in steps], image)
    found = []
    for start in range(0, len(steps), TOGETHER):
        group = steps[start : start + TOGETHER]
        given = {f"{number}/{name}": codes[name] for number, step in enumerate(group) for name in step.reads}
        results = emulated(side_by_side(model, ends, group), soc, given, compile)
        found += [
            difference(model, step, results[f"{number}/{step.result}"], codes[step.result])
            for number, step in enumerate(group)
        ]
    return tuple(found)


def cpu_codes(model: ModelProto, results: Sequence[ValueInfoProto], image: np.ndarray) -> Codes:
    """What the input and these results hold for `image` (1, 3, H, W), as ONNX Runtime gives them with every node as it is written."""
    from onnx import ModelProto

    watched = ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.extend(results)
    session, kept = OnnxSession(watched, as_written=True), []

    def run(given: np.ndarray) -> tuple[np.ndarray, ...]:
        logits, *others = session(given)
        kept.extend([given, *others])
        return (logits,)

    OnnxRunner(run, input_spec(model), output_spec(model))(image)
    names = [model.graph.input[0].name, *(end.name for end in results)]
    return dict(zip(names, kept, strict=True))


def emulated(steps: ModelProto, soc: Soc, given: Mapping[str, np.ndarray], compile: Compile) -> Codes:
    """The results of a file of steps on the emulator of `soc`, by name."""
    with TemporaryDirectory() as folder:
        portable = Path(folder, "steps.onnx")
        portable.write_bytes(steps.SerializeToString())
        binary = binary_of(compile(portable, soc))
    results = Emulator(binary, soc)(*(given[end.name] for end in binary.inputs))
    return dict(zip([end.name for end in binary.outputs], results, strict=True))


def difference(model: ModelProto, step: Step, given: np.ndarray, expected: np.ndarray) -> StepDifference:
    """One step's codes against the CPU's."""
    import numpy as np

    named = list(dict.fromkeys(model.graph.node[number].op_type for number in step.nodes))
    apart = np.abs(given.astype(np.int32) - expected)
    module, _, tensor = step.result.rpartition("/")
    return StepDifference(
        operation="+".join([kind for kind in named if kind not in CARRIED] or named),
        module=module,
        tensor=tensor,
        quanta=-(-int(apart.max()) // FINER[expected.dtype.name]),
        differing=float((apart > 0).mean()),
    )
