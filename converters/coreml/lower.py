"""ExportedProgram -> .mlpackage.

The interface is float32 in every precision: an MLMultiArray of float32 is what Swift code fills and reads directly,
while Float16 does not even exist there on Intel Macs. Inside, that costs one cast at each end.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from converters.contract import Artefact, Layout, Metadata, Precision, TensorSpec
from converters.coreml import toolchain
from converters.coreml.names import INPUT, OUTPUT
from converters.coreml.package import make_reproducible
from converters.errors import ConverterError, ToolchainError
from converters.files import atomic_path, sha256, size_bytes

if TYPE_CHECKING:
    from torch.export import ExportedProgram

MINIMUM_IOS = {Precision.FP32: 16, Precision.FP16: 16, Precision.INT8: 18}
"""Oldest iOS release that takes the file. int8 activations need 17; 18 adds the block-wise weight form, the one that
Apple's tools write today."""

COMPUTE: dict[Precision, type[np.floating[Any]]] = {
    Precision.FP32: np.float32,
    Precision.FP16: np.float16,
    Precision.INT8: np.float16,
}
"""Arithmetic of everything that is not int8."""

DTYPE = "float32"


def lower(
    program: ExportedProgram, precision: Precision, path: Path, metadata: Metadata, *, minimum_ios: int | None = None
) -> Artefact:
    """Writes `program` to `path` as an ML Program. Raises ToolchainError.

    `minimum_ios` overrides the oldest iOS release that can load the file: 17 is enough for int8.
    """
    from converters.coreml.emit import emit

    release = minimum_ios or MINIMUM_IOS[precision]
    try:
        model = _convert(emit(program, COMPUTE[precision], release), release)
        _describe(model, metadata, precision)
        with atomic_path(path) as temporary:
            model.save(str(temporary))
            make_reproducible(temporary)
    except (ConverterError, OSError):
        raise
    except Exception as error:
        raise ToolchainError(
            got=f"a failure of coremltools, {type(error).__name__}: {error}",
            allowed="a program that coremltools can write as an ML Program",
            do="run `evit-mobile doctor`; if it finds nothing, report this with --debug",
        ) from error
    spec = model.get_spec()
    return Artefact(
        format="coreml",
        precision=precision,
        path=path,
        bytes=size_bytes(path),
        sha256=sha256(path),
        inputs=(TensorSpec(name=INPUT, shape=_shape(spec.description.input[0]), dtype=DTYPE, layout=Layout.NCHW),),
        outputs=(TensorSpec(name=OUTPUT, shape=_shape(spec.description.output[0]), dtype=DTYPE),),
        toolchain=toolchain.versions(),
    )


def _convert(mil_program: Any, release: int) -> Any:
    """`mil_program`, optimised, as coremltools' MLModel. Its precision is final: the pipeline adds no casts."""
    from converters.coreml.passes import pipeline

    ct = toolchain.load()
    with toolchain.no_progress_bars(), toolchain.quiet(("coremltools",)):
        return ct.convert(
            mil_program,
            source="milinternal",
            convert_to="mlprogram",
            minimum_deployment_target=ct.target[f"iOS{release}"],
            compute_precision=ct.precision.FLOAT32,
            pass_pipeline=pipeline(),
            skip_model_load=True,
        )


def _describe(model: Any, metadata: Metadata, precision: Precision) -> None:
    model.short_description = metadata.description
    model.author = metadata.author
    model.license = metadata.license
    model.version = metadata.version
    model.input_description[INPUT] = "Preprocessed RGB image, float32, (batch, channel, row, column)"
    model.output_description[OUTPUT] = "Class scores before softmax, float32, (batch, class)"
    extra = {"precision": precision.value, **metadata.extra}
    if metadata.labels:
        extra["labels"] = json.dumps(metadata.labels)
    for key, value in extra.items():
        model.user_defined_metadata[key] = value


def _shape(feature: Any) -> tuple[int, ...]:
    return tuple(feature.type.multiArrayType.shape)
