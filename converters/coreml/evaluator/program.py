"""From a package on disk to something that can be called on images."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from converters.coreml import toolchain
from converters.coreml.evaluator.constants import DECOMPRESSORS
from converters.coreml.evaluator.fake_quantization import with_fake_quantization
from converters.coreml.evaluator.half_sums import KERNELS, HalfSums
from converters.coreml.evaluator.hard_swish import with_hard_swish
from converters.coreml.evaluator.joined_convolutions import with_joined_convolutions
from converters.coreml.evaluator.operators import ARITHMETIC, OPERATORS, SELECTION, Kernel
from converters.coreml.evaluator.step import Step, one, releasing, rounded, unsupported
from converters.coreml.package import load_function
from converters.errors import ArtefactError

HALF, CLASSIFY = "fp16", "classify"
BATCH = 8
"""Images that run together. More would no longer fit the processor's caches."""
QUANTIZATION, OPERANDS = {"scale", "zero_point"}, {"x", "y"}
"""Parameters that are tensors even where they are one number: making one of a number takes longer than to divide by it."""


class Evaluator:
    """A loaded program of batch 1. Calling it runs images in batches, each by itself: what one gives depends on no other, up to
    the order of sums in float32.
    """

    def __init__(self, path: Path, function: Any = None, *, half_sums: HalfSums = HalfSums.NONE) -> None:
        """`function` is one of `load_functions(path)`, the default one where none is given. Sums are float32's; with `half_sums` those
        of some or all float operations are fp16's, as on hardware without a wider accumulator, and take many times as long.

        Raises ArtefactError for a damaged package, ToolchainError for an operation that it cannot run.
        """
        function = load_function(path) if function is None else function
        shapes = [tuple(var.shape) for var in function.inputs.values()]
        named = {var.name for op in function.operations if op.op_type == CLASSIFY for var in op.outputs}
        scores = [var.name for var in function.outputs if var.name not in named]
        if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][0] != 1 or len(scores) != 1:
            raise ArtefactError(
                got=f"inputs of shapes {shapes} and outputs {', '.join(var.name for var in function.outputs)} in {path}",
                allowed="one image (1, C, H, W) in; one tensor out, alone or with a class and its probabilities",
                do="evaluate a converted classifier",
            )
        self.path = path
        (self.input,) = function.inputs
        (self.shape,) = shapes
        (self.scores,) = scores
        self.outputs = tuple(var.name for var in function.outputs)
        constants = _constants(function)
        steps = tuple(_steps(function, constants, KERNELS[half_sums]))
        self.naming = next((step for step in steps if step.operation == CLASSIFY), None)
        steps = tuple(step for step in steps if step is not self.naming)
        listed = {name for step in steps for names in step.lists.values() for name in names}
        self.residents = {name: _tensor(constants[name]) for name in listed & constants.keys()}
        kept = {*self.residents, *self.outputs, *(self.naming.taken() if self.naming else ())}
        self.single = tuple(releasing(steps, kept))
        fake = tuple(with_fake_quantization(steps, kept))
        joined = tuple(with_joined_convolutions(tuple(with_hard_swish(fake, kept))))
        self.steps = tuple(releasing(joined, kept))

    @torch.inference_mode()
    def __call__(self, images: np.ndarray) -> np.ndarray:
        """float32 (B, C, H, W) -> float32 (B, ...), any B of at least 1.

        Raises ArtefactError for another shape, and when the class probabilities contradict the scores.
        """
        if images.ndim != 4 or images.shape[1:] != self.shape[1:] or not len(images):
            raise ArtefactError(
                got=f"images of shape {images.shape}",
                allowed=f"(B, {', '.join(str(size) for size in self.shape[1:])}) for {self.path}",
                do="resize and crop as the manifest's input section says",
            )
        batch = torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32)).unsqueeze(1)
        results = [self._each(part) for part in torch.split(batch, BATCH)]
        values = {name: torch.cat([result[name] for result in results]) for name in results[0]}
        scores = values[self.scores].squeeze(1)
        if self.naming is not None:
            _check_probabilities(values[str(self.naming.operands["probabilities"])], scores, self.path)
        return scores.numpy()

    @torch.inference_mode()
    def run(self, image: Tensor) -> dict[str, Any]:
        """One image (1, C, H, W) through every operation: the outputs by name. Raises ToolchainError naming the one that fails."""
        values: dict[str, Any] = {name: value.squeeze(0) for name, value in self._each(image.unsqueeze(0)).items()}
        if self.naming is not None:
            self.naming.run(values)
        return {name: values[name] for name in self.outputs}

    def _each(self, images: Tensor) -> dict[str, Tensor]:
        """What is left of images (B, 1, C, H, W) when every operation on tensors ran: the scores, and the probabilities that classes are
        named by. Where there is something that is not a number, operations run one by one, since codes have none.
        """
        values = self._stacked(images, self.steps)
        if any(bool(value.isnan().any()) for value in values.values()):
            return self._stacked(images, self.single)
        return values

    def _stacked(self, images: Tensor, steps: tuple[Step, ...]) -> dict[str, Tensor]:
        """One image alone needs no batch, whose operations take longer to call."""
        if len(images) > 1:
            return torch.vmap(partial(self._left, steps))(images)
        return {name: value.unsqueeze(0) for name, value in self._left(steps, images[0]).items()}

    def _left(self, steps: tuple[Step, ...], image: Tensor) -> dict[str, Tensor]:
        values: dict[str, Any] = {**self.residents, self.input: image}
        for step in steps:
            step.run(values)
        return {name: value for name, value in values.items() if name not in self.residents}


def _check_probabilities(probabilities: Tensor, scores: Tensor, path: Path) -> None:
    """Raises ArtefactError unless the probabilities are the softmax of the scores; the label follows from them."""
    if not torch.allclose(probabilities.flatten(1), scores.flatten(1).softmax(1), atol=1e-6):
        raise ArtefactError(
            got=f"class probabilities in {path} that are not the softmax of its scores",
            allowed="scores and probabilities that agree",
            do="convert again",
        )


def _constants(function: Any) -> dict[str, Any]:
    """Value of every constant by name: NumPy arrays and scalars, strings. Compressed weights come decompressed."""
    constants: dict[str, Any] = {}
    for op in function.operations:
        if op.op_type == "const":
            value = op.outputs[0].val
            constants[op.outputs[0].name] = [item.val for item in value.ls] if hasattr(value, "ls") else value
        elif op.op_type in DECOMPRESSORS:
            parts = {key: constants[var.name] for key, var in op.inputs.items() if var is not None}
            constants[op.outputs[0].name] = DECOMPRESSORS[op.op_type](**parts)
    return constants


def _steps(function: Any, constants: dict[str, Any], kernels: dict[str, Kernel]) -> Iterator[Step]:
    """The operations of `function` in order, with their constants bound. Raises ToolchainError."""
    types = toolchain.load("coremltools.converters.mil.mil.types")
    for op in function.operations:
        if op.outputs[0].name in constants:
            continue
        if op.op_type not in OPERATORS:
            raise unsupported(op.op_type, op.name, "no kernel")
        bound = {key: _names(value) for key, value in op.inputs.items() if value is not None}
        singles = {key: name for key, name in bound.items() if isinstance(name, str)}
        fixed = {key: _parameter(constants[name], key) for key, name in singles.items() if name in constants}
        selects = op.op_type in SELECTION and not function.inputs.keys() & set(singles.values())
        rounds = op.op_type in ARITHMETIC and not selects and types.builtin_to_string(op.outputs[0].dtype) == HALF
        yield Step(
            operation=op.op_type,
            name=op.name,
            kernel=partial((OPERATORS if _sums_codes(op) else kernels)[op.op_type], **fixed),
            operands={key: name for key, name in singles.items() if key not in fixed},
            lists={key: name for key, name in bound.items() if not isinstance(name, str)},
            results=tuple(var.name for var in op.outputs),
            finish=rounded if rounds else one if len(op.outputs) == 1 else tuple,
        )


def _sums_codes(op: Any) -> bool:
    """Whether an operation takes dequantized values: its sums are those of integers, exact in float32."""
    source = op.inputs.get("x")
    made = getattr(source, "op", None)
    return made is not None and made.op_type == "dequantize"


def _names(value: Any) -> str | list[str]:
    """Name of a MIL value, or of each in a list of them."""
    return [item.name for item in value] if isinstance(value, (list, tuple)) else str(value.name)


def _parameter(value: Any, key: str = "") -> Any:
    """A constant as a kernel takes it: what it computes with as tensors, everything else as Python values."""
    if not isinstance(value, (np.ndarray, np.generic)):
        return value
    computed = np.issubdtype(value.dtype, np.floating) and (value.ndim > 0 or key in OPERANDS)
    return _tensor(value) if computed or key in QUANTIZATION else value.tolist()


def _tensor(value: np.ndarray | np.generic) -> Tensor:
    """A constant as it is held: in float32."""
    return torch.from_numpy(np.array(value, np.float32))
