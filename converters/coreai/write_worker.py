"""Writes an asset for a parent process (child.py): exported programs in, a folder out.

    python -m converters.coreai.write_worker JOB ASSET

JOB is a folder with `job.json` (lower.py) and the programs it names. Weights get names from where they lie in memory, so addresses
must not be random, and the bodies of composite operations from a random generator, which a counter replaces.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.contract import FloatType
from converters.coreai.child import Parent, serving
from converters.coreai.locations import module_of
from converters.coreai.package import PIXELS
from converters.interface import INPUT, LOGITS, PROBABILITIES, Interface, Normalization
from converters.lowering.program import module_path

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import Node

NO_RANDOM_ADDRESSES = 0x0040000
"""ADDR_NO_RANDOMIZE of linux/personality.h."""


def fix_addresses() -> None:
    """Starts this process again without random addresses, where the system allows that and has not yet done so."""
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    now = library.personality(0xFFFFFFFF)
    if now & NO_RANDOM_ADDRESSES or library.personality(now | NO_RANDOM_ADDRESSES) == -1:
        return
    os.execv(sys.executable, sys.orig_argv)


def number_composites() -> None:
    """Lets bodies of composite operations be called by a counter."""
    from coreai.authoring import func, graph_builder

    count = itertools.count()
    for module in (func, graph_builder):
        module._randomize_fn_name = lambda name: f"{name}_{next(count)}"


def name_origins(name: Callable[[Node], str] = module_path) -> None:
    """Lets operations say which node they come from: by the path of its module, or what else `name` makes of it."""
    from coreai_torch import _debug_locations as locations

    def location(recorder: Any, found: Any, context: Any) -> Any:
        stack = [locations._create_call_stack_metadata(found.call_stack, context)] if found.call_stack else None
        return recorder._get_unknown_location(context, stack)

    locations._get_module_hierarchy = lambda node, _: [name(node)]
    locations._DebugInfoRecorder._get_unknown_location_with_operation_id = location


def drop_numbers(program: Any) -> None:
    """Lets operations of one module share a location: numbers of their own take a twelfth of an int8 file."""
    from coreai._compiler._mlir_libs._coreaiIR._bindings.mlir import set_op_location
    from coreai._compiler.ir import Location
    from coreai_torch import _debug_locations as locations

    module = program._module._mlir_module
    context = module.context
    unknown = Location.file(filename="", line=0, col=0, context=context)
    shared: dict[str, Any] = {}
    for operation in locations._get_nested_operations(module.operation):
        path = module_of(operation)
        if path not in shared:
            stack = [locations._create_call_stack_metadata([path], context)] if path else None
            shared[path] = locations._create_unknown_location(unknown, context, stack)
        set_op_location(operation, shared[path])


def write(job: Path, path: Path, parent: Parent) -> None:
    """The asset that `job` describes."""
    description = json.loads((job / "job.json").read_bytes())
    with without_warnings():
        number_composites()
        name_origins()
        output = PROBABILITIES if description["interface"]["classes"] else LOGITS
        converted = conversion(programs(job, description), output)
        if description["interface"]["pixels"]:
            for function in description["functions"]:
                take_image(converted, function["name"])
        drop_numbers(converted)
        converted.save_asset(path, metadata=metadata(description["metadata"]))
    parent.answer(b"")


@contextmanager
def without_warnings() -> Iterator[None]:
    """A local version of torch, 2.13.0+cpu, counts as newer than the newest one that coreai-torch was tried with."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def programs(job: Path, description: dict[str, Any]) -> dict[str, ExportedProgram]:
    """What Core AI's converter is given for each function of a job that takes tensors."""
    import torch.ao.quantization.fx._decomposed  # noqa: F401  # registers the operators of quantized programs

    from converters.coreai import handover
    from converters.coreai.prepared import prepared

    given, interface = {}, interface_of(description)
    for function in description["functions"]:
        program = handover.load(job / function["name"])
        floats, bits, compressed = (description[key] for key in ("floats", "palette_bits", "compressed"))
        program = prepared(program, FloatType(floats), function["wide"], interface, bits, compressed=compressed)
        name = function["name"] if interface.pixels is None else PIXELS + function["name"]
        given[name] = known_to_converter(program)
    return given


def known_to_converter(program: ExportedProgram) -> ExportedProgram:
    """`program` in operators that the converter knows."""
    from coreai_torch import get_decomp_table
    from coreai_torch._validate import validate_exported_program

    from converters.coreai.core_operators import to_core_operators

    to_core_operators(program)
    try:
        validate_exported_program(program, {})
    except ValueError:
        decomposed: ExportedProgram = program.run_decompositions(get_decomp_table())
        return decomposed
    return program


def interface_of(description: dict[str, Any]) -> Interface:
    pixels, classes = (description["interface"][key] for key in ("pixels", "classes"))
    return Interface(pixels=Normalization(**pixels) if pixels else None, classes=classes)


def conversion(given: dict[str, ExportedProgram], output: str = LOGITS) -> Any:
    """These functions as a program of Core AI's."""
    from coreai_torch import TorchConverter

    converter = TorchConverter(mode=TorchConverter.Mode.RELEASE)  # the other mode writes paths of source files
    for name, program in given.items():
        converter.add_exported_program(program, input_names=[INPUT], output_names=[output], entrypoint_name=name)
    return converter.to_coreai()


def take_image(program: Any, name: str) -> None:
    """Adds a function that takes an RGB image of 8 bits a channel and hands its pixels to the one that takes these."""
    from coreai._compiler._mlir_libs._coreaiIR._bindings.mlir.dialects.coreai import FourCC
    from coreai._compiler.ir import InsertionPoint, Location
    from coreai.authoring import Value, expand_dims, image_to_tensor
    from coreai.authoring.coreai_types import ImageType
    from coreai.authoring.graph_builder import GraphOp, invoke

    module, inner = program._module._mlir_module, program._get_graph(PIXELS + name)
    _, height, width, _ = inner.arguments[0].type.shape
    ((output, result),) = inner.outputs_spec
    with module.context, Location.unknown(), InsertionPoint(module.body):
        image = ImageType(FourCC.RGB24, height, width, INPUT)._to_mlir()
        graph = GraphOp(name, [image], [], input_names=[INPUT])
        with graph.block:
            pixels = expand_dims(image_to_tensor(Value._from_mlir(graph.arguments[0])), [0])
            (given,) = invoke([result.type], inner.symbol_name, [pixels._to_mlir()])
        graph.outputs_spec = [(output, given)]


def metadata(stated: dict[str, Any]) -> Any:
    """What the asset says about itself."""
    from coreai.runtime import AIModelAssetMetadata

    written = AIModelAssetMetadata()
    written.model_description, written.author, written.license = (
        stated.pop(key) for key in ("description", "author", "license")
    )
    for key, value in stated.items():
        written.set_custom(key, value)
    return written


if __name__ == "__main__":
    fix_addresses()
    with serving() as parent:
        write(Path(sys.argv[1]), Path(sys.argv[2]), parent)
