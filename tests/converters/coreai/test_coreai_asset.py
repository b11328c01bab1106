"""Written assets in Core AI's own runtime. Opt-in: `make test-coreai`."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.export import ExportedProgram

from converters.contract import Metadata, Precision, QuantPlan, WeightQuantization
from converters.coreai import package, toolchain
from converters.coreai.target import CoreAITarget
from converters.errors import ArtefactError, ToolchainError
from converters.files import size_bytes
from converters.lowering.palettes import coded, is_worth_a_palette, palettized
from converters.quantized_program import quantize_program
from converters.registry import find_target
from tests.converters.coreai.stand_in import looked_up
from tests.lowering_helpers import Apply, export, quantize

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(toolchain.missing() is not None, reason=f"{toolchain.missing()}"),
]


class Net(nn.Module):
    """Convolution, hard swish (which becomes a composite operation), pooling, linear."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 24, 3, padding=1), nn.Hardswish(), nn.Conv2d(24, 24, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        self.head = nn.Linear(24, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(x))


NET = Net().eval().requires_grad_(False)
IMAGES = torch.randn(4, 3, 12, 16, generator=torch.Generator().manual_seed(0))
METADATA = Metadata(description="a net", license="Apache-2.0", version="1", labels=tuple("abcdefg"))


def sqnr_db(expected: np.ndarray, found: np.ndarray) -> float:
    return float(10 * np.log10((expected**2).sum() / ((expected - found) ** 2).sum()))


def exported(module: nn.Module = NET) -> ExportedProgram:
    return torch.export.export(module, (IMAGES[:1],))


def int8() -> ExportedProgram:
    return quantize(exported(), IMAGES[:1])


def int8_weights(module: nn.Module = NET) -> ExportedProgram:
    """The program with int8 weights, a scale a channel, and float activations."""
    program, weights = exported(module), []
    for node in program.graph.nodes:
        if node.target in (torch.ops.aten.conv2d.default, torch.ops.aten.linear.default):
            name = program.graph_signature.inputs_to_parameters[node.args[1].name]
            scales = program.state_dict[name].detach().abs().flatten(1).amax(1) / 127
            weights.append(WeightQuantization(tensor=name, module="", scales=tuple(scales.tolist())))
    return quantize_program(program, QuantPlan(activations=(), weights=tuple(weights), floats=()))


PROGRAMS = {
    Precision.FP32: exported,
    Precision.FP16: exported,
    Precision.INT8: int8,
    Precision.INT8_WEIGHTS: int8_weights,
    Precision.FP16_PALETTE6: exported,
    Precision.INT8_PALETTE4: int8,
}


def written(path: Path, program: ExportedProgram | None = None, precision: Precision = Precision.FP32) -> Path:
    return find_target("coreai").lower(program or exported(), precision, path, METADATA).path


@torch.no_grad()
def computed(program: ExportedProgram, images: torch.Tensor = IMAGES) -> np.ndarray:
    """What PyTorch gives for a program."""
    module = program.module(check_guards=False)
    return np.concatenate([module(image[None]).numpy() for image in images])


def run(path: Path, images: torch.Tensor = IMAGES) -> np.ndarray:
    return find_target("coreai").load(path)(images.numpy())


@pytest.fixture(scope="module")
def asset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("asset") / "net.aimodel")


def attention(x: torch.Tensor) -> torch.Tensor:
    """Products of turned matrices, for each of three heads: operators that we compose ourselves."""
    rows = x.view(1, 3, 16, 12).transpose(2, 3)
    return ((rows @ rows.transpose(-1, -2)).softmax(-1) @ rows).flatten(1)


def others(x: torch.Tensor) -> torch.Tensor:
    """Operators that PyTorch decomposes: a linear layer of a sequence, einsum."""
    rows = nn.functional.linear(x, torch.linspace(-1, 1, 48).view(3, 16))
    return torch.einsum("bchw,bcdw->bchd", rows, rows / (1 + rows.abs()))


@pytest.mark.parametrize("function", [attention, others])
def test_all_operators_are_written(function: Callable[[torch.Tensor], torch.Tensor], tmp_path: Path) -> None:
    program = exported(Apply(function))
    path = written(tmp_path / "net.aimodel", program)
    assert sqnr_db(computed(program), run(path)) >= 100


@pytest.mark.parametrize(
    ("precision", "faithful_db"),
    [(Precision.FP32, 100), (Precision.FP16, 55), (Precision.INT8, 40), (Precision.INT8_WEIGHTS, 55)],
)
def test_it_computes_what_the_program_does(precision: Precision, faithful_db: float, tmp_path: Path) -> None:
    program = PROGRAMS[precision]()
    path = written(tmp_path / "net.aimodel", program, precision)
    assert sqnr_db(computed(program), run(path)) > faithful_db
    dtypes = find_target("coreai").inspect(path).dtypes
    assert ("float16" in dtypes, "int8" in dtypes) == (precision is not Precision.FP32, precision.quantized)


def test_weights_are_stored_as_core_ai_stores_compressed_ones(tmp_path: Path) -> None:
    """`dequantize` with scales of an axis computes the same, in 490 bytes more each."""
    operations = find_target("coreai").inspect(written(tmp_path / "net.aimodel", int8(), Precision.INT8)).operations
    assert operations["blockwise_shift_scale"] == 3
    assert operations["dequantize"] == operations["quantize"]


def from_palettes(program: ExportedProgram, bits: int) -> ExportedProgram:
    """The program with what its weights become when they are indices of so many bits."""
    frozen = partial(nn.Parameter, requires_grad=False)
    for name, value in program.state_dict.items():
        if value.ndim > 1 and is_worth_a_palette(tuple(value.shape)):
            indices, tables = palettized(value.detach(), bits)
            program.state_dict[name] = frozen(looked_up(torch.from_numpy(indices), tables))
        elif value.ndim > 1 and value.is_floating_point():
            codes, scales = coded(value.detach())
            program.state_dict[name] = frozen(codes * scales)
    return program


@pytest.mark.parametrize(
    ("precision", "faithful_db"),
    [
        (Precision.FP16_PALETTE4, 55),
        (Precision.FP16_PALETTE6, 55),
        (Precision.INT8_PALETTE4, 40),
        (Precision.INT8_PALETTE6, 40),
    ],
)
def test_weights_are_what_their_indices_look_up(precision: Precision, faithful_db: float, tmp_path: Path) -> None:
    make, bits = int8 if precision.quantized else exported, precision.palette_bits
    assert bits is not None
    path = written(tmp_path / "net.aimodel", make(), precision)
    found = run(path)
    faithful = sqnr_db(computed(from_palettes(make(), bits)), found)
    assert faithful > max(faithful_db, sqnr_db(computed(make()), found))
    inspection = find_target("coreai").inspect(path)
    assert (inspection.operations["lut_to_dense"], inspection.dtypes[f"uint{bits}"]) == (1, 1)


@pytest.mark.parametrize("make", [exported, int8])
def test_indices_take_no_more_than_their_bits(make: Callable[[], ExportedProgram], tmp_path: Path) -> None:
    kind, weight = ("int8" if make is int8 else "fp16"), NET.layers[2].weight
    sizes = {
        bits: size_bytes(written(tmp_path / f"{bits}.aimodel", make(), Precision(f"{kind}-palette{bits}")))
        for bits in (4, 6)
    }
    tables = 3 * (2**6 - 2**4) * (1 if kind == "int8" else 2)
    assert abs(sizes[6] - sizes[4] - weight.numel() * 2 / 8 - tables) < 64


@pytest.mark.parametrize(("precision", "tables"), [(Precision.FP16, 0), (Precision.INT8_WEIGHTS, 1)])
def test_position_biases_are_stored_as_indices_in_compressed_assets(
    precision: Precision, tables: int, tmp_path: Path
) -> None:
    bias = torch.arange(49.0).repeat(49).view(1, 1, 49, 49) / 64
    image = torch.randn(1, 1, 49, 49, generator=torch.Generator().manual_seed(0))
    path = written(tmp_path / "net.aimodel", export(Apply(lambda x, y: x + y, y=bias), image), precision)
    assert find_target("coreai").inspect(path).operations.get("lut_to_dense", 0) == tables
    np.testing.assert_array_equal(run(path, image), (image.half() + bias.half()).float().numpy())


class Scaled(nn.Module):
    """The net on multiplied images: of all weights those of its first layer are divided instead, or what comes of it is."""

    def __init__(self, factor: float, *, weights: bool) -> None:
        super().__init__()
        self.net, self.factor, self.weights = deepcopy(NET), factor, weights
        if weights:
            self.net.layers[0].weight.data /= factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        large = torch.relu(x * self.factor)
        return self.net(large if self.weights else large / self.factor)


def test_scales_that_fp16_holds_as_subnormal_numbers(tmp_path: Path) -> None:
    """Core AI's compiler on Linux would take them for zero."""
    program = int8_weights(Scaled(32, weights=True))
    assert program.state_dict["net_layers_0_weight_scales"].max() < torch.finfo(torch.float16).tiny
    path = written(tmp_path / "net.aimodel", program, Precision.INT8_WEIGHTS)
    assert sqnr_db(computed(program), run(path)) > 40


def test_what_fp16_cannot_hold_is_computed_in_fp32(tmp_path: Path) -> None:
    program = exported(Scaled(1e6, weights=False))
    plain = written(tmp_path / "plain.aimodel", program, Precision.FP16)
    assert not np.isfinite(run(plain)).all()
    path = tmp_path / "net.aimodel"
    CoreAITarget(islands=frozenset({"mul", "relu"})).lower(program, Precision.FP16, path, METADATA)
    assert sqnr_db(computed(program), run(path)) > 50


def test_a_constant_that_fp16_cannot_hold_is_refused(tmp_path: Path) -> None:
    layer = nn.Conv2d(3, 2, 1)
    nn.init.constant_(layer.weight, 1e5)
    with pytest.raises(ToolchainError, match="a constant of magnitude 100000"):
        written(tmp_path / "net.aimodel", exported(layer), Precision.FP16)
    assert not any(tmp_path.iterdir())


def test_what_it_contains(asset: Path) -> None:
    inspection = find_target("coreai").inspect(asset)
    ((image,), (logits,)) = inspection.inputs, inspection.outputs
    assert (image.name, image.shape, image.dtype) == ("image", (1, 3, 12, 16), "float32")
    assert (logits.name, logits.shape, logits.dtype) == ("logits", (1, 7), "float32")
    assert (inspection.operations["conv2d"], inspection.operations["hard_sigmoid"]) == (2, 1)
    assert package.read(asset).own == {"labels": list("abcdefg"), "precision": "fp32", "version": "1"}
    assert b"/home/" not in (asset / package.PROGRAM).read_bytes()
    assert str(Path(__file__).parent).encode() not in (asset / package.PROGRAM).read_bytes()


class Attention(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = x.flatten(2)
        return (tokens.transpose(1, 2) @ tokens).softmax(-1) @ tokens.transpose(1, 2)


def test_operations_know_their_module(tmp_path: Path) -> None:
    path = written(tmp_path / "net.aimodel", exported(nn.Sequential(nn.Conv2d(3, 4, 1), Attention())))
    notes = find_target("coreai").inspect(path).notes
    assert [note for note in notes if "attention in 1: 2 products" in note]


def test_the_same_program_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (written(tmp_path / f"{name}.aimodel", int8(), Precision.INT8) for name in "ab")
    for name in (package.PROGRAM, package.HASH, package.METADATA):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_images_of_another_size_are_refused(asset: Path) -> None:
    with pytest.raises(ArtefactError, match="12x16"):
        find_target("coreai").load(asset)(np.zeros((1, 3, 16, 16), np.float32))
