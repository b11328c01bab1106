"""ONNX as a target of the converter contract, judged by ONNX Runtime."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from converters.contract import Artefact, FloatType, Inspection, Layout, Metadata, Precision, Runner, TensorSpec

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto, ValueInfoProto
    from torch.export import ExportedProgram

IMAGE_RANK = 4
PACKAGES = ("onnx", "onnxruntime")
QUIET = 3


class OnnxTarget:
    """Files for ONNX Runtime on Android, iOS, Windows and the web, and for whatever else reads ONNX."""

    name = "onnx"
    suffix = ".onnx"
    precisions: Mapping[Precision, FloatType] = MappingProxyType(
        {
            Precision.FP32: FloatType.FP32,
            Precision.FP16: FloatType.FP16,
            Precision.INT8: FloatType.FP32,
            Precision.INT8_FULL: FloatType.FP32,
            Precision.A16W8: FloatType.FP32,
        }
    )
    runtime = "ONNX Runtime on this machine's CPU"
    evaluated = False
    several_sizes = False
    takes_pixels = False

    def missing(self) -> str | None:
        lacking = [name for name in PACKAGES if find_spec(name) is None]
        return f"{' and '.join(lacking)} not installed: run pip install 'evit-mobile[onnx]'" if lacking else None

    def lower(self, program: ExportedProgram, precision: Precision, path: Path, metadata: Metadata) -> Artefact:
        from converters.files import write_bytes
        from converters.onnx.lower import to_bytes
        from converters.written import written

        write_bytes(path, to_bytes(program, precision, metadata))
        inspection = self.inspect(path)
        return written(
            path,
            format=self.name,
            precision=precision,
            inputs=inspection.inputs,
            outputs=inspection.outputs,
            packages=(*PACKAGES, "torch"),
        )

    def load(self, path: Path) -> Runner:
        """Raises ArtefactError."""
        from converters.onnx.file import read_model

        model = read_model(path)
        return OnnxRunner(OnnxSession(model), input_spec(model), output_spec(model))

    def inspect(self, path: Path) -> Inspection:
        from onnx import TensorProto

        from converters.files import size_bytes
        from converters.onnx.file import read_model

        model = read_model(path)
        kinds = Counter(node.op_type for node in model.graph.node)
        dtypes = Counter(TensorProto.DataType.Name(stored.data_type).lower() for stored in model.graph.initializer)
        return Inspection(
            inputs=(input_spec(model),),
            outputs=(output_spec(model),),
            operations=dict(kinds.most_common()),
            dtypes={{"float": "float32"}.get(name, name): count for name, count in dtypes.most_common()},
            bytes=size_bytes(path),
            delegation=None,
            notes=(f"opset {model.opset_import[0].version}",),
        )


class OnnxSession:
    """A model in ONNX Runtime's CPU provider: an input of the model's own type -> its outputs. `as_written` nodes are computed one by one,
    not fused into integer ones.
    """

    def __init__(self, model: ModelProto, *, as_written: bool = False) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = QUIET
        options.intra_op_num_threads = 1
        if as_written:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        content = model.SerializeToString()
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self._name = model.graph.input[0].name

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(self._session.run(None, {self._name: image}))


class OnnxRunner:
    """float32 images (B, 3, H, W) -> float32 outputs (B, ...), one image after the other, quantized where the file takes int8. `run` has
    the file's own types.
    """

    def __init__(
        self, run: Callable[[np.ndarray], tuple[np.ndarray, ...]], image: TensorSpec, logits: TensorSpec
    ) -> None:
        self._run_one, self._input, self._output = run, image, logits

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Raises ValueError for images of another shape than the file's."""
        import numpy as np

        if images.ndim != IMAGE_RANK or images.shape[1:] != self._input.shape[1:] or not len(images):
            raise ValueError(
                f"got images of shape {images.shape}; allowed: (B, {', '.join(map(str, self._input.shape[1:]))})"
            )
        return np.concatenate([self._run(image[None]) for image in images])

    def _run(self, image: np.ndarray) -> np.ndarray:
        import numpy as np

        given, taken = self._input, self._output
        if given.scale is not None and given.zero_point is not None:
            image = np.clip(np.rint(image / np.float32(given.scale)) + given.zero_point, -128, 127).astype(np.int8)
        (result,) = self._run_one(image)
        if taken.scale is not None and taken.zero_point is not None:
            result = (result.astype(np.float32) - taken.zero_point) * np.float32(taken.scale)
        values: np.ndarray = result
        return values


def input_spec(model: ModelProto) -> TensorSpec:
    """What the file takes; the numbers of an int8 input are those of the DequantizeLinear that reads it."""
    (image,) = model.graph.input
    readers = [node for node in model.graph.node if image.name in node.input]
    return _spec(model, image, readers[0].input[1:3] if readers and readers[0].op_type == "DequantizeLinear" else ())


def output_spec(model: ModelProto) -> TensorSpec:
    """What the file gives; the numbers of an int8 output are those of the QuantizeLinear that writes it, behind an Identity."""
    (logits,) = model.graph.output
    writers = {node.output[0]: node for node in model.graph.node}
    writer = writers[writers[logits.name].input[0]]
    return _spec(model, logits, writer.input[1:3] if writer.op_type == "QuantizeLinear" else ())


def _spec(model: ModelProto, end: ValueInfoProto, parameters: object) -> TensorSpec:
    from onnx import TensorProto, numpy_helper

    shape = tuple(dim.dim_value for dim in end.type.tensor_type.shape.dim)
    integer = end.type.tensor_type.elem_type == TensorProto.INT8
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    numbers = [numpy_helper.to_array(stored[name]).item() for name in parameters] if integer else [None, None]  # type: ignore[attr-defined]  # names
    return TensorSpec(
        name=end.name,
        shape=shape,
        dtype="int8" if integer else "float32",
        layout=Layout.NCHW if len(shape) == IMAGE_RANK else None,
        scale=numbers[0],
        zero_point=numbers[1],
    )
