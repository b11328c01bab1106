"""What MIT's and Microsoft's own code says: state-dict keys, shapes, eps, and outputs for weights that can be redrawn.

    EVIT_MOBILE_UPSTREAM=... python tests/upstream_record.py

writes tests/data/upstream/*.json from the two clones that tests/oracles.py describes. The tests read those files, and
so hold our loading against the real code without having it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import tests.oracles as oracles

FOLDER = Path(__file__).parent / "data" / "upstream"
CLASSIFIERS = {
    **{f"efficientvit_m{i}": "msra" for i in range(6)},
    **{f"efficientvit_b{i}": "mit" for i in range(4)},
    **{f"efficientvit_l{i}": "mit" for i in (1, 2, 3)},
}
SEGMENTERS = tuple(
    f"efficientvit_seg_{backbone}_{dataset}"
    for dataset, backbones in (("cityscapes", "b0 b1 b2 b3 l1 l2"), ("ade20k", "b1 b2 b3 l1 l2"))
    for backbone in backbones.split()
)
SOURCES = {
    "msra": "microsoft/Cream@4a13c40 EfficientViT/classification/model/build.py",
    "mit": "mit-han-lab/efficientvit@de7d773 efficientvit/cls_model_zoo.py",
}
LOGITS = 16


def drawn_state(shapes: Mapping[str, tuple[str, tuple[int, ...]]]) -> dict[str, Tensor]:
    """A state dict with values drawn from each key's own seed: the same for every program that knows the keys."""
    return {key: drawn(key, dtype, shape) for key, (dtype, shape) in shapes.items()}


def drawn(key: str, dtype: str, shape: tuple[int, ...]) -> Tensor:
    """Values that keep a deep network's activations in range. Counts are 0."""
    if dtype != "float32":
        return torch.zeros(shape, dtype=getattr(torch, dtype))
    low, high = value_range(key, shape)
    values = np.random.RandomState(zlib.crc32(key.encode())).uniform(low, high, shape)  # a stream frozen by numpy
    return torch.from_numpy(values.astype(np.float32))


def value_range(key: str, shape: tuple[int, ...]) -> tuple[float, float]:
    """Bounds of a parameter's values: norms near 1, the rest uniform with a variance of gain^2 / inputs of a unit.

    Microsoft's models have many residual branches in a row: at a gain of 1 their softmax saturates, at 0.3 the outputs
    hardly depend on their bias tables.
    """
    if key.endswith("running_var") or (len(shape) == 1 and key.endswith("weight")):
        return 0.5, 1.5
    if key.endswith("attention_biases"):
        return -2.0, 2.0
    if len(shape) == 1:
        return -0.5, 0.5
    gain = 1.0 if "op_list" in key else 0.7
    bound = gain * float((3 / np.prod(shape[1:])) ** 0.5)
    return -bound, bound


def parse_shapes(keys: Mapping[str, str]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """{"key": "float32[8,3,3,3]"} -> {"key": ("float32", (8, 3, 3, 3))}."""
    parsed = {}
    for key, text in keys.items():
        dtype, _, sides = text.rstrip("]").partition("[")
        parsed[key] = (dtype, tuple(int(side) for side in sides.split(",") if side))
    return parsed


def shapes_of(state: Mapping[str, Tensor]) -> dict[str, str]:
    """{"key": "float32[8,3,3,3]"} of a state dict."""
    return {
        key: f"{str(tensor.dtype).removeprefix('torch.')}[{','.join(map(str, tensor.shape))}]"
        for key, tensor in state.items()
    }


def probe(size: int) -> Tensor:
    """The image that outputs are recorded for, (1, 3, size, size)."""
    values = np.random.RandomState(0).uniform(-2, 2, (1, 3, size, size))
    return torch.from_numpy(values.astype(np.float32))


def redrawn(model: nn.Module) -> nn.Module:
    """`model` with every parameter drawn anew; index buffers stay."""
    state = model.state_dict()
    drawn_anew = drawn_state(parse_shapes(shapes_of({k: v for k, v in state.items() if not k.endswith("idxs")})))
    model.load_state_dict({**state, **drawn_anew})
    return model.train().eval()  # refreshes the bias tables that Microsoft's attention keeps in eval mode


def record(model: nn.Module, source: str, size: int) -> dict[str, Any]:
    """Everything the tests hold our loading against."""
    with torch.no_grad():
        output = redrawn(model)(probe(size))
    logits = output["stage_final"] if isinstance(output, dict) else output
    return {
        "source": source,
        "norm_eps": sorted({m.eps for m in model.modules() if isinstance(m, NORMS)}),
        "attention_eps": sorted({m.eps for m in model.modules() if hasattr(m, "aggreg")}),
        "size": size,
        "logits": [float(f"{value:.7g}") for value in spread(logits).tolist()],
        "magnitude": float(f"{logits.abs().max().item():.7g}"),
        "keys": shapes_of(model.state_dict()),
    }


def spread(output: Tensor) -> Tensor:
    """The first outputs of a classifier; of a map as many, spread over all channels and places."""
    values = output.flatten()
    return values[:LOGITS] if output.ndim == 2 else values[:: len(values) // LOGITS][:LOGITS]


NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)


def write(name: str, content: dict[str, Any]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(content, indent=0) + "\n")
    print(name, len(content["keys"]), content["logits"][:3])


def main() -> None:
    torch.set_num_threads(1)
    for name, origin in CLASSIFIERS.items():
        build = oracles.microsoft_model if origin == "msra" else oracles.mit_model
        write(f"{origin}.{name}", record(build(name), SOURCES[origin], 224))
        if origin == "msra":
            fused = oracles.microsoft_model(name)
            oracles.microsoft_module().replace_batchnorm(fused)
            write(f"{origin}.{name}.fused", record(fused, SOURCES[origin] + " replace_batchnorm", 224))
    for name in SEGMENTERS:
        write(f"mit.{name}", record(oracles.mit_segmenter(name), SOURCES["mit"].replace("cls_", "seg_"), 128))
    write("mit.efficientvit_l0", record(oracles.mit_backbone_l0(), "mit-han-lab/efficientvit@de7d773 backbone.py", 128))


if __name__ == "__main__":
    main()
