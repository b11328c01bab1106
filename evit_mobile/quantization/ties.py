"""Many classes in 8 bits: logits that share their largest code do not say which class is first, so they stay float.

A scale of 8 bits has 255 levels for all logits of all images. With thousands of classes the largest is often that of several.
"""

from __future__ import annotations

from collections.abc import Callable

from torch.export import ExportedProgram
from torch.fx import GraphModule

from converters.contract import Precision
from converters.lowering.program import module_path
from converters.quantized_program import shared_module
from evit_mobile.findings import Protection
from evit_mobile.metrics import Logits, top_ties
from evit_mobile.quantization.cost import modelled_latency_ms
from evit_mobile.quantization.placement import WEIGHTED, place
from evit_mobile.thresholds import THRESHOLDS

MOST_TIES = 1 - THRESHOLDS[Precision.INT8].min_top1_agreement
"""The share of images that may tie: as many as may disagree."""


def without_ties(program: ExportedProgram, logits: Logits, report: Callable[[str], None]) -> Protection:
    """What has to stay float so that classes do not tie as in `logits`, those of the program all int8: its last layer, or nothing."""
    ties = top_ties(logits)
    module = shared_module(program)
    last = last_layer(module)
    if ties <= MOST_TIES or last is None:
        return Protection()
    report(f"several of {logits.shape[1]} classes share the largest logit on {100 * ties:.1f} %: {last} stays float")
    kept = frozenset({last})
    ratio = modelled_latency_ms(module, place(module, kept)) / modelled_latency_ms(module, place(module))
    return Protection(modules=(last,), latency_ratio=ratio)


def last_layer(module: GraphModule) -> str | None:
    """Path of the layer that gives the logits, whatever is made of them on the one way to the output (a softmax, a choice of classes);
    None where several results meet there.
    """
    (node,) = (node for node in module.graph.nodes if node.op == "output")
    while len(sources := [source for source in node.all_input_nodes if source.op == "call_function"]) == 1:
        (node,) = sources
        if node.target in WEIGHTED:
            return module_path(node) or None
    return None
