"""Writes an exported program as a MIL program (Core ML's ML Program), one ATen operator at a time.

The graph is emitted in the precision that it will run in: constants are rounded here, once, and the only casts are
those at the float32 interface. Every MIL operation is named after the module it comes from (see `names`).

coremltools' own PyTorch frontend is not used: it has no translation for the `alias` and per-channel quantization
operators of torch 2.13, and it names operations by number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import Node

from converters.coreml import toolchain
from converters.coreml.emitter import Emitter
from converters.coreml.names import INPUT, OUTPUT, PROBABILITIES
from converters.coreml.options import TENSORS, Options
from converters.coreml.values import Var
from converters.errors import ToolchainError
from converters.interface import Function, Normalization

IOS18 = 18
"""The first release with `constexpr_blockwise_shift_scale`."""


def emit(
    given: Function,
    dtype: type[np.floating[Any]],
    release: int,
    options: Options = TENSORS,
    palette_bits: int | None = None,
    *,
    compressed: bool = False,
) -> Any:
    """The program as a MIL program for iOS `release` that computes in `dtype`, with input `image` and float32 output `logits`.

    With `options.pixels` the input is an RGB image, normalised in float32 as the tensor would have been before it came
    here; with `options.classes` there is a second output, `probabilities`. With `palette_bits` larger weights, float or
    int8, become indices of that many bits into palettes. Of a `compressed` program, for iOS 18 on, constants that repeat a few
    values, position biases, become indices too, and lose nothing.
    Raises ToolchainError for an operator without a translation and for a constant that `dtype` cannot hold.
    """
    ct, mil = toolchain.load(), toolchain.load("coremltools.converters.mil.mil")
    program = given.program
    inputs, constants = _bindings(program)
    shape = tuple(inputs[0].meta["val"].shape)
    placeholder = mil.Builder.placeholder(shape=shape, dtype=mil.types.fp32, name=INPUT)
    emitted = mil.Program()
    with mil.Function({INPUT: placeholder}, opset_version=ct.target[f"iOS{release}"]) as function:
        emitter = Emitter(
            program.graph_module,
            mil.Builder,
            dtype,
            blockwise=release >= IOS18,
            palette_bits=palette_bits,
            indexed=compressed and release >= IOS18,
            islands=given.islands,
        )
        image = emitter.cast(_given(function, options), "image_cast")
        (result,) = emitter.run(*(constants.get(node.name, image) for node in _placeholders(program)))
        logits = emitter.cast(result, OUTPUT, np.float32)
        logits.name = OUTPUT
        outputs = [logits]
        if options.classes:
            outputs.append(mil.Builder.softmax(x=logits, axis=-1, name=PROBABILITIES))
        function.set_outputs(outputs)
        emitted.add_function("main", function)
    return emitted


def _given(function: Any, options: Options) -> Var:
    """The float32 tensor that the function is given, or makes of the image that it is given."""
    given = function.inputs[INPUT]
    if options.pixels is None:
        return given
    ct, mil = toolchain.load(), toolchain.load("coremltools.converters.mil.mil")
    rgb = ct.ImageType(name=INPUT, shape=given.shape, color_layout=ct.colorlayout.RGB, channel_first=True)
    function.input_types = [rgb]
    return _normalized(given, options.pixels, mil.Builder)


def _normalized(pixels: Var, normalization: Normalization, builder: Any) -> Var:
    """(v / 255 - mean) / std per channel of `pixels` (1, 3, H, W), as one product and one sum."""
    mean, std = (np.array(values)[:, None, None] for values in (normalization.mean, normalization.std))
    scaled = builder.mul(x=pixels, y=(1 / (255 * std)).astype(np.float32), name="image_scaled")
    return builder.add(x=scaled, y=(-mean / std).astype(np.float32), name="image_normalized")


def _placeholders(program: ExportedProgram) -> list[Node]:
    return [node for node in program.graph.nodes if node.op == "placeholder"]


def _bindings(program: ExportedProgram) -> tuple[list[Node], dict[str, Tensor]]:
    """The user's input node, and the value of every other placeholder. Raises ToolchainError for several inputs."""
    signature = program.graph_signature
    values = {**program.state_dict, **program.constants}
    constants = {
        spec.arg.name: values[spec.target].detach()
        for spec in signature.input_specs
        if spec.kind is not InputKind.USER_INPUT and spec.target is not None
    }
    inputs = [node for node in _placeholders(program) if node.name in signature.user_inputs]
    if len(inputs) != 1 or len(signature.user_outputs) != 1:
        raise ToolchainError(
            got=f"a program with {len(inputs)} inputs and {len(signature.user_outputs)} outputs",
            allowed="one image in, one tensor out",
            do="export the classifier alone",
        )
    return inputs, constants
