"""Running a file for a parent process, one image at a time. Any file will do: the layers are the environment's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.converters.executorch.executorch_helpers import content, write
from tests.converters.executorch.small_model import IMAGE, Small
from tests.lazily import Lazily
from tests.lowering_helpers import export, relative_error

worker = Lazily("converters.executorch.delegates.vgf_worker")


def test_every_image_has_its_output_in_order(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, images = Small(), torch.randn(3, *IMAGE[1:])
    path, inputs, outputs = write(tmp_path, content(export(model, images[:1]))), tmp_path / "i.npy", tmp_path / "o.npy"
    np.save(inputs, images.numpy())
    worker.run(str(path), str(inputs), str(outputs))
    assert relative_error(np.load(outputs), model(images)) < 1e-5


def test_a_file_that_the_runtime_refuses_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        worker.run(str(write(tmp_path, bytes(300))), "inputs.npy", "outputs.npy")
    assert not (tmp_path / "outputs.npy").exists()
