"""A program's two ends as an app's own libraries want them: 8-bit pixels in, probabilities out. Both are computed in fp32."""

from __future__ import annotations

import torch
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from converters.coreai.quantization import constant
from converters.interface import Interface, Normalization

aten = torch.ops.aten


def with_ends(module: GraphModule, program: ExportedProgram, interface: Interface) -> tuple[torch.Tensor, list[str]]:
    """Gives `module`, made from `program`, the ends that `interface` asks for. Returns its example input, and names of the nodes whose
    results need fp32.
    """
    (example,), _ = program.example_inputs
    wide: list[Node] = []
    if interface.pixels is not None:
        wide += take_pixels(module, interface.pixels)
        example = torch.zeros(example.permute(0, 2, 3, 1).shape, dtype=torch.uint8)
    if interface.classes:
        wide.append(give_probabilities(module))
    return example, [node.name for node in wide]


def take_pixels(module: GraphModule, normalization: Normalization) -> list[Node]:
    """Makes the input (1, 3, H, W) one of 8-bit RGB pixels (1, H, W, 3), which are normalised here."""
    (image,) = module.graph.find_nodes(op="placeholder")
    readers = list(image.users)
    mean, std = (torch.tensor(values, dtype=torch.float64) for values in (normalization.mean, normalization.std))
    pixels = image.meta["val"].permute(0, 2, 3, 1).to(torch.uint8)
    image.meta["val"] = pixels.new_empty(pixels.shape)
    with module.graph.inserting_after(image):
        factor = constant(module, "pixel_factor", (1 / (255 * std)).float().view(1, 1, 1, 3))
        offset = constant(module, "pixel_offset", (-mean / std).float().view(1, 1, 1, 3))
    with module.graph.inserting_before(readers[0]):
        call = module.graph.call_function
        real = call(aten._to_copy.default, (image,), {"dtype": torch.float32})
        scaled = call(aten.mul.Tensor, (real, factor))
        shifted = call(aten.add.Tensor, (scaled, offset))
        planes = call(aten.permute.default, (shifted, [0, 3, 1, 2]))
    for reader in readers:
        reader.replace_input_with(image, planes)
    return [real, scaled, shifted]


def give_probabilities(module: GraphModule) -> Node:
    """Makes the output the softmax over its classes."""
    (output,) = module.graph.find_nodes(op="output")
    (scores,) = output.all_input_nodes
    with module.graph.inserting_before(output):
        probabilities = module.graph.call_function(aten.softmax.int, (scores, 1))
    output.replace_input_with(scores, probabilities)
    return probabilities
