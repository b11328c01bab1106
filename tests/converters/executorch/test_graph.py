"""The graph before it is bytes: what is pruned, handed in and told apart."""

from __future__ import annotations

import torch
from torch import nn

from converters.contract import Precision
from tests.converters.executorch.constant_models import images
from tests.converters.executorch.executorch_helpers import content, graph
from tests.lazily import Lazily
from tests.lowering_helpers import Apply, export, quantize

containers = Lazily("converters.executorch.container")


def test_one_weight_behind_two_scales_is_packed_twice() -> None:
    x = images()
    shared = nn.Conv2d(4, 4, 1, bias=False)
    program = quantize(export(Apply(lambda x, f: torch.cat([f(x), f(torch.relu(x))], 1), f=shared), x), x)
    file = content(program, Precision.INT8)
    stored, places = graph(file), containers.open_container(file).constant_ranges
    keys = [str(stored.values[node.packed[0]].key) for node in stored.nodes if node.packed]
    assert len(keys) == len(set(keys)) == 2
    assert len({places[key] for key in keys}) == 2
