"""ExportedProgram -> .mlpackage; several, the same model for several input sizes -> one .mlpackage with a function for each.

The interface is float32 in every precision, or an RGB image: an MLMultiArray of float32 is what Swift code fills and reads
directly, while Float16 does not even exist there on Intel Macs. Inside, that costs one cast at each end.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from converters.contract import Artefact, Metadata, Precision
from converters.coreml import toolchain
from converters.coreml.functions import RELEASE, join
from converters.coreml.inspect import inspect
from converters.coreml.names import CLASS, CLASS_PROBABILITIES, INPUT, OUTPUT, PROBABILITIES
from converters.coreml.options import TENSORS, USUAL_RELEASE, OptionError, Options
from converters.coreml.package import INLINE, make_reproducible
from converters.errors import ConverterError, ToolchainError
from converters.files import atomic_path, sha256
from converters.interface import Function, function_name

if TYPE_CHECKING:
    from torch.export import ExportedProgram

COMPUTE: dict[Precision, type[np.floating[Any]]] = {
    precision: np.float32 if precision is Precision.FP32 else np.float16 for precision in USUAL_RELEASE
}
"""Arithmetic of everything that is not int8."""


def lower(
    functions: Sequence[Function], precision: Precision, path: Path, metadata: Metadata, options: Options = TENSORS
) -> Artefact:
    """Writes the program of one function to `path` as an ML Program; several, for images of other sizes, as a function each.

    Raises OptionError, ToolchainError.
    """
    try:
        with atomic_path(path) as temporary:
            save = _save_functions if len(functions) > 1 else _save
            save(functions, precision, temporary, metadata, options)
            make_reproducible(temporary)
    except (ConverterError, OSError):
        raise
    except Exception as error:
        raise ToolchainError(
            got=f"a failure of coremltools, {type(error).__name__}: {error}",
            allowed="a program that coremltools can write as an ML Program",
            do="run `evit-mobile doctor`; if it finds nothing, report this with --debug",
        ) from error
    inspected = inspect(path)
    return Artefact(
        format="coreml",
        precision=precision,
        path=path,
        bytes=inspected.bytes,
        sha256=sha256(path),
        inputs=inspected.inputs,
        outputs=inspected.outputs,
        toolchain=toolchain.versions(),
        oldest_runtime=f"iOS {RELEASE if len(functions) > 1 else options.release_for(precision)}",
    )


def _save(
    functions: Sequence[Function], precision: Precision, path: Path, metadata: Metadata, options: Options
) -> None:
    """A package of one function."""
    from converters.coreml.emit import emit

    release = options.release_for(precision)
    (function,) = functions
    labels = _class_labels(function.program, metadata) if options.classes else None
    emitted = emit(
        function, COMPUTE[precision], release, options, precision.palette_bits, compressed=precision.compressed
    )
    model = _convert(emitted, release, labels)
    _describe(model, metadata, precision, options)
    model.save(str(path))


def _save_functions(
    functions: Sequence[Function], precision: Precision, path: Path, metadata: Metadata, options: Options
) -> None:
    """A package with a function for each, called by the size of its images; the first is the default."""
    check_functions(options)
    options = replace(options, release=RELEASE)
    with tempfile.TemporaryDirectory() as folder:
        packages = {}
        for function in functions:
            name = function_name(*_image_size(function.program))
            packages[name] = Path(folder) / f"{name}.mlpackage"
            _save((function,), precision, packages[name], metadata, options)
        join(packages, path)


def check_functions(options: Options) -> None:
    """Raises OptionError for what a package of several functions cannot have."""
    if options.release is not None and options.release < RELEASE:
        raise OptionError(
            got=f"several input sizes for iOS {options.release}",
            allowed=f"several input sizes from iOS {RELEASE} on, whose packages may have several functions",
            do=f"ask for iOS {RELEASE}, or convert once per size",
        )
    if options.classes:
        raise OptionError(
            got="several input sizes with class labels as output",
            allowed="scores as output: coremltools 9.0 writes no classifier with several functions",
            do="leave one of the two out; the manifest and the package's metadata name the classes",
        )


def _image_size(program: ExportedProgram) -> tuple[int, int]:
    """(height, width) in pixels of a program's example image."""
    (image,), _ = program.example_inputs
    return tuple(image.shape[2:])


def _class_labels(program: ExportedProgram, metadata: Metadata) -> list[str]:
    """The names that a classifier answers with. Raises OptionError unless every class has one of its own."""
    (output,) = program.graph_module.graph.output_node().args[0]
    classes = output.meta["val"].shape[-1]
    if len(metadata.labels) != classes or len(set(metadata.labels)) != classes:
        raise OptionError(
            got=f"{len(set(metadata.labels))} different labels for {classes} classes",
            allowed="one label for each class",
            do="take scores as output, or bring labels: an image folder named after the classes has them",
        )
    return list(metadata.labels)


def _convert(mil_program: Any, release: int, labels: list[str] | None) -> Any:
    """`mil_program`, optimised, as coremltools' MLModel. Its precision is final: the pipeline adds no casts."""
    from converters.coreml.passes import pipeline

    ct = toolchain.load()
    classifier = None if labels is None else ct.ClassifierConfig(labels, CLASS, PROBABILITIES)
    with (
        toolchain.no_progress_bars(),
        toolchain.quiet(("coremltools",)),
        toolchain.small_tensors_inline(INLINE),
        toolchain.checked_once(),
    ):
        return ct.convert(
            mil_program,
            source="milinternal",
            convert_to="mlprogram",
            classifier_config=classifier,
            minimum_deployment_target=ct.target[f"iOS{release}"],
            compute_precision=ct.precision.FLOAT32,
            pass_pipeline=pipeline(),
            skip_model_load=True,
        )


def _describe(model: Any, metadata: Metadata, precision: Precision, options: Options) -> None:
    model.short_description = metadata.description
    model.author = metadata.author
    model.license = metadata.license
    model.version = metadata.version
    extra = {"precision": precision.value, **metadata.extra}
    if options.pixels is None:
        model.input_description[INPUT] = "Preprocessed RGB image, float32, (batch, channel, row, column)"
    else:
        model.input_description[INPUT] = "RGB image, 8 bits a channel; the model normalises it"
        extra |= options.pixels.to_metadata()
    model.output_description[OUTPUT] = "Class scores before softmax, float32, (batch, class)"
    if options.classes:
        model.output_description[CLASS] = "Name of the most probable class"
        model.output_description[CLASS_PROBABILITIES] = "Probability of each class by name"
    if metadata.labels:
        extra["labels"] = json.dumps(metadata.labels)
    for key, value in extra.items():
        model.user_defined_metadata[key] = value
