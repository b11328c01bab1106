"""Codes that no integer operation reads are not made; those that one reads are."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from converters.coreml.evaluator import Evaluator
from tests.converters.coreml.coreml_programs import Attention, FeedForward, seeded, sqnr_db
from tests.converters.coreml.int8_packages import X, codes, lowered, of_kind


class TestFloatReaders:
    def test_what_only_a_softmax_and_products_with_it_read_stays_float(self, tmp_path: Path) -> None:
        attention = seeded(lambda: Attention(6, 4, 25))
        kept = lowered(attention, tmp_path / "kept.mlpackage", without="float_readers")
        (image,) = of_kind(lowered(attention, tmp_path / "p.mlpackage"), "quantize")
        assert codes(kept) > 4
        assert image.input.op.op_type == "cast"

    def test_what_layers_and_sums_between_them_read_stays_int8(self, tmp_path: Path) -> None:
        block = seeded(lambda: nn.Sequential(FeedForward(6), nn.Conv2d(6, 6, 1)))
        kept = lowered(block, tmp_path / "kept.mlpackage", without="float_readers")
        assert codes(lowered(block, tmp_path / "p.mlpackage")) == codes(kept) - 1  # the last layer's result: the output

    def test_a_layer_behind_a_reshape_still_reads_codes(self, tmp_path: Path) -> None:
        head = seeded(lambda: nn.Sequential(nn.Conv2d(6, 4, 1), nn.Flatten(), nn.Linear(100, 3)))
        assert codes(lowered(head, tmp_path / "p.mlpackage")) == 2

    def test_a_sum_with_what_a_product_of_floats_gave_is_float(self, tmp_path: Path) -> None:
        class Cascade(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.first, self.attention, self.last = nn.Conv2d(6, 6, 1), Attention(6, 4, 25), nn.Conv2d(6, 6, 1)

            def forward(self, x: Tensor) -> Tensor:
                x = self.first(x)
                return self.last(x + self.attention(x))

        written = lowered(seeded(Cascade), tmp_path / "p.mlpackage")
        (total,) = [add for add in of_kind(written, "add") if add.x.shape == (1, 6, 5, 5)]
        terms = [term.op.op_type for term in (total.x, total.y)]
        assert terms.count("dequantize") == 1
        assert [user.op_type for user in total.outputs[0].child_ops] == ["quantize"]

    @torch.no_grad()
    def test_results_come_nearer_to_those_of_floats(self, tmp_path: Path) -> None:
        attention = seeded(lambda: nn.Sequential(FeedForward(6), Attention(6, 4, 25)))
        expected = attention.eval()(X).numpy()
        paths = {without: tmp_path / f"{without}.mlpackage" for without in ("float_readers", None)}
        found = {}
        for without, path in paths.items():
            lowered(attention, path, without)
            found[without] = sqnr_db(expected, Evaluator(path)(X.numpy()))
        assert found[None] > found["float_readers"] + 1
