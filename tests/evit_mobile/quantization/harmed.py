"""A small network in which one module is harmed by int8 far more than the others."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from converters.contract import QuantPlan
from converters.quantized_program import graph_module
from evit_mobile.metrics import sqnr_db
from evit_mobile.quantization.automatic import logits_of
from evit_mobile.quantization.simulate import simulate

DEPTH = 5


BROKEN = "blocks.2"


class Network(nn.Module):
    """Convolutions of which one is harmed far more than the others: one of its input channels is a thousand times larger."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.blocks = nn.ModuleList(nn.Conv2d(8, 8, 3, padding=1) for _ in range(DEPTH))
        self.head = nn.Linear(8, 6)
        with torch.no_grad():
            self.blocks[1].weight[3] *= 1000.0  # planted: its output, read by blocks.2
            self.blocks[2].weight[:, 3] /= 1000.0

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        for block in self.blocks:
            x = torch.relu(block(x))
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


def measured_db(program: ExportedProgram, plan: QuantPlan, images: list[Tensor]) -> float:
    expected = logits_of(graph_module(program), images)
    return sqnr_db(logits_of(simulate(program, plan), images), expected)
