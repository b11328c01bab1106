"""A .tflite file on Hexagon an operation at a time: each reads the codes that the CPU gave, so that its own error is all that shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from converters.qualcomm.emulator import Emulator
from converters.qualcomm.socs import Soc
from converters.tflite.compiled import Compiled
from converters.tflite.inspect import module_path, operator_kinds
from converters.tflite.runtime import LiteRTRunner
from converters.tflite.steps import Step, side_by_side, steps_of
from converters.tflite.structure import read_model, signed
from converters.traits import StepDifference

if TYPE_CHECKING:
    import numpy as np

TOGETHER = 60
"""Steps that are compiled as one binary, in a second or two."""
CARRIED = {"DEQUANTIZE", "QUANTIZE", "RESHAPE"}
"""What says nothing of a step that does something else as well."""

Compile = Callable[[Path, Soc], bytes]


def differences(path: Path, soc: Soc, image: np.ndarray, compile: Compile) -> tuple[StepDifference, ...]:
    """Every step of the file on the emulator of `soc` against LiteRT's own kernels. Raises ArtefactError, ToolchainError."""
    _, model = read_model(path)
    codes = cpu_codes(path, image)
    steps = steps_of(model.subgraphs[0])
    found = []
    for start in range(0, len(steps), TOGETHER):
        group = steps[start : start + TOGETHER]
        outputs = emulated(
            side_by_side(model, group), soc, [codes(index) for step in group for index in step.reads], compile
        )
        found += [
            difference(model, step, given, codes(step.result)) for step, given in zip(group, outputs, strict=True)
        ]
    return tuple(found)


def cpu_codes(path: Path, image: np.ndarray) -> Callable[[int], np.ndarray]:
    """What every tensor of the file holds after `image`, by the tensor's number, as LiteRT's kernels without XNNPACK give it."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        str(path),
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    LiteRTRunner(interpreter)(image)
    get: Callable[[int], np.ndarray] = interpreter.get_tensor
    return get


def emulated(content: bytes, soc: Soc, inputs: Sequence[np.ndarray], compile: Compile) -> Sequence[np.ndarray]:
    """The results of a file of steps on the emulator of `soc`."""
    with TemporaryDirectory() as folder:
        portable, compiled = Path(folder, "steps.tflite"), Path(folder, "compiled.tflite")
        portable.write_bytes(content)
        compiled.write_bytes(signed(compile(portable, soc)))
        return Emulator(Compiled(compiled).binary(), soc)(*inputs)


def difference(model: Any, step: Step, given: np.ndarray, expected: np.ndarray) -> StepDifference:
    """One step's codes against the CPU's."""
    import numpy as np

    subgraph, kinds = model.subgraphs[0], operator_kinds(model)
    named = list(dict.fromkeys(kinds[number] for number in step.operators))
    quanta = np.abs(given.astype(np.int16) - expected)
    tensor = subgraph.tensors[step.result].name.decode()
    return StepDifference(
        operation="+".join([kind for kind in named if kind not in CARRIED] or named),
        module=module_path(subgraph, subgraph.operators[step.operators[-1]]),
        tensor=tensor.rpartition("/")[2],
        quanta=int(quanta.max()),
        differing=float((quanta > 0).mean()),
    )
