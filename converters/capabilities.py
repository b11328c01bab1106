"""What runtimes compute in integers, as data: placement and cost read it. Operations are named as PyTorch's ATen does.

A runtime that learns an operation or another width gets it here. Sources: XNNPACK's operators in `include/xnnpack.h` and its
`subgraph/validation`, as bundled with ai-edge-litert 2.3.0 and executorch 1.4.1; LiteRT's own kernels in
tensorflow/lite/kernels, whose int8 forms its quantization specification lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

LAYERS = frozenset({"aten.conv2d.default", "aten.linear.default"})
SUMS_AND_PRODUCTS = frozenset({"aten.add.Tensor", "aten.mul.Tensor", "aten.matmul.default"})
MOVEMENT = frozenset(
    {
        "aten.cat.default",
        "aten.flatten.using_ints",
        "aten.pad.default",
        "aten.permute.default",
        "aten.reshape.default",
        "aten.slice.Tensor",
        "aten.transpose.int",
        "aten.view.default",
    }
)
CLAMPS = frozenset({"aten.relu.default", "aten.relu6.default"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """`integers` are the operations that it computes from codes to codes, by the bits of these; `tables` functions of one value that it
    looks up from code to code, which round once. `macs_per_ms` are the multiply-accumulates of layers that it was measured to do, by
    bits, 32 for floats; only their ratios count.
    """

    name: str
    integers: Mapping[int, frozenset[str]]
    tables: Mapping[int, frozenset[str]] = field(default_factory=dict)
    macs_per_ms: Mapping[int, float] = field(default_factory=dict)

    def computes(self, operation: str, bits: int = 8) -> bool:
        """Whether it has the operation in integers of so many bits."""
        return operation in self.integers.get(bits, ())


XNNPACK = Runtime(
    name="XNNPACK",
    integers={8: LAYERS | SUMS_AND_PRODUCTS | MOVEMENT | CLAMPS | {"aten.mean.dim", "aten.sigmoid.default"}},
    tables={8: frozenset({"aten.gelu.default", "aten.hardswish.default"})},
    macs_per_ms={8: 208e6, 32: 56e6},
)
"""Under LiteRT and ExecuTorch. Rates are the peaks measured in LiteRT on one x86-64 core (AVX-512 VNNI)."""

LITERT = Runtime(
    name="LiteRT",
    integers={
        8: XNNPACK.integers[8]
        | {
            "aten.amax.default",
            "aten.clamp_min.default",
            "aten.gelu.default",
            "aten.hardswish.default",
            "aten.rsqrt.default",
            "aten.select.int",
            "aten.softmax.int",
            "aten.unsqueeze.default",
        }
    },
)
"""LiteRT's own kernels, which NPUs have too."""
