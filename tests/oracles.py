"""The original implementations, as judges of our own: timm's port, and MIT's and Microsoft's code where at hand.

`EVIT_MOBILE_UPSTREAM` names a folder that holds one or both of the repositories under their own names:

    efficientvit   mit-han-lab/efficientvit at de7d773, which the wheel of visaion5efficientvit has too: `make test-upstream` puts it there
    Cream          microsoft/Cream at 4a13c40, which no package has

Their code is imported from there and is no part of this project.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import os
import sys
import types
import unittest
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import torch
from torch import Tensor, nn

UPSTREAM_VARIABLE = "EVIT_MOBILE_UPSTREAM"


def import_timm() -> types.ModuleType:
    """timm, also beside a torchvision that was built for another torch.

    timm imports torchvision, whose Python half registers shape functions for operators of its compiled half. Where the
    compiled half does not load, the operators have to exist at least in name.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]  # torch's own
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]  # same
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]  # same
        _KEPT_ALIVE.append(library)
    return importlib.import_module("timm")


_KEPT_ALIVE: list[torch.library.Library] = []


def timm_model(name: str, **options: Any) -> nn.Module:
    """A freshly initialised timm model in eval mode, with the same weights whatever ran before."""
    timm = import_timm()
    torch.manual_seed(0)
    model: nn.Module = timm.create_model(name, **options)
    return model.eval()


CODE = {"mit": "efficientvit", "msra": "Cream/EfficientViT/classification"}
"""Where an origin's code is in the folder."""


def absent(origin: str) -> str | None:
    """Why the code of "mit" or "msra" is not at hand, None where it is."""
    folder = os.environ.get(UPSTREAM_VARIABLE)
    if not folder:
        return f"{UPSTREAM_VARIABLE} names no folder (make test-upstream)"
    if Path(folder, CODE[origin]).is_dir():
        return None
    if origin == "msra":
        return (
            "Microsoft's code is in no package: clone microsoft/Cream; timm's port and the recorded keys and outputs of Microsoft's code"
            " judge in test_weights_timm.py and test_weights_upstream.py"
        )
    return f"no {CODE[origin]} in {folder} (make test-upstream)"


def microsoft_module() -> types.ModuleType:
    """`model.build` of microsoft/Cream EfficientViT/classification: the six configurations and `replace_batchnorm`."""
    import_timm()
    return _import_from("msra", "model.build")


def microsoft_utils() -> types.ModuleType:
    """`utils` of the same, whose `load_model` goes to another resolution."""
    return _import_from("msra", "utils")


def microsoft_model(name: str, **options: Any) -> nn.Module:
    """Microsoft's own class for `efficientvit_m0` ... `efficientvit_m5`, eval mode; options go to its constructor."""
    build = microsoft_module()
    configuration = getattr(build, name.replace("efficientvit", "EfficientViT"))
    model: nn.Module = build.EfficientViT(**{**configuration, **options})
    return model.eval()


def mit_model(name: str, **options: Any) -> nn.Module:
    """MIT's own classifier for `efficientvit_b0` ... `efficientvit_l3`, with the norm eps of its zoo, eval mode."""
    zoo = _import_mit("efficientvit.cls_model_zoo")
    model: nn.Module = zoo.create_efficientvit_cls_model(name.replace("_", "-"), pretrained=False, **options)
    return model.eval()


def mit_segmenter(name: str) -> nn.Module:
    """MIT's own model for `efficientvit_seg_b0_cityscapes` ..., with the norm eps of its zoo, eval mode."""
    zoo = _import_mit("efficientvit.seg_model_zoo")
    model: nn.Module = zoo.create_efficientvit_seg_model(name.replace("_", "-"), pretrained=False)
    return model.eval()


def mit_backbone_l0() -> nn.Module:
    """MIT's own L0, a backbone that returns a dictionary of features, with the norm eps of the other L, eval mode."""
    model: nn.Module = _import_mit("efficientvit.models.efficientvit.backbone").efficientvit_backbone_l0()
    _import_mit("efficientvit.models.nn.norm").set_norm_eps(model, 1e-7)
    return model.eval()


def mit_sam_encoder_l0() -> nn.Module:
    """The image encoder of MIT's EfficientViT-SAM-L0: a backbone and a neck."""
    sam = _import_mit("efficientvit.models.efficientvit.sam")
    neck = sam.SamNeck(
        fid_list=["stage4", "stage3", "stage2"],
        in_channel_list=[512, 256, 128],
        head_width=256,
        head_depth=4,
        expand_ratio=1,
        middle_op="fmb",
    )
    encoder: nn.Module = sam.EfficientViTSamImageEncoder(mit_backbone_l0(), neck)
    return encoder.eval()


def _import_mit(module: str) -> types.ModuleType:
    import_timm()
    stand_ins = _provide_unused_dependencies()
    try:
        return _import_from("mit", module)
    finally:  # torch looks for triton when it traces, and would take a stand-in for it
        for name in stand_ins:
            del sys.modules[name]


def _import_from(origin: str, module: str) -> types.ModuleType:
    reason = absent(origin)
    if reason is not None:
        raise unittest.SkipTest(reason)  # which pytest takes, and which needs no pytest
    path = str(Path(os.environ[UPSTREAM_VARIABLE], CODE[origin]))
    if path not in sys.path:
        sys.path.append(path)
    return importlib.import_module(module)


MIT_UNUSED_DEPENDENCIES = (
    "onnx",
    "onnxsim",
    "segment_anything",
    "segment_anything.modeling",
    "segment_anything.modeling.mask_decoder",
    "segment_anything.modeling.prompt_encoder",
    "segment_anything.utils",
    "segment_anything.utils.amg",
    "segment_anything.utils.transforms",
    "torch.utils.data.graph_settings",
    "triton",
    "triton.language",
)
"""Imported by MIT's packages for other models, training and export; the modules tested here call none of them."""


def _provide_unused_dependencies() -> list[str]:
    """Puts an inert stand-in where one of `MIT_UNUSED_DEPENDENCIES` is not installed, and names those."""
    stand_ins = []
    for name in MIT_UNUSED_DEPENDENCIES:
        try:
            importlib.import_module(name)
        except ImportError:
            stand_in = MagicMock(name=name)
            stand_in.__spec__ = importlib.machinery.ModuleSpec(name, None)
            sys.modules[name] = stand_in
            stand_ins.append(name)
    return stand_ins


def randomise(model: nn.Module, seed: int = 0) -> nn.Module:
    """Draws every norm's weights and running statistics, and M's bias tables, at random; returns `model` in eval mode.

    Fresh M models are degenerate: the norms that end their residual branches have weight 0.
    """
    generator = torch.Generator().manual_seed(seed)

    def uniform(like: Tensor, low: float, high: float) -> Tensor:
        return torch.rand(like.shape, generator=generator) * (high - low) + low

    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.LayerNorm):
                module.weight.copy_(uniform(module.weight, 0.5, 1.5))
                module.bias.copy_(uniform(module.bias, -0.5, 0.5))
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.copy_(uniform(module.running_mean, -0.5, 0.5))
                module.running_var.copy_(uniform(module.running_var, 0.5, 1.5))
        for name, parameter in model.named_parameters():
            if name.endswith("attention_biases"):
                parameter.copy_(uniform(parameter, -1.0, 1.0))
    return model.train().eval()  # the round trip refreshes what Microsoft's and timm's attention cache in eval mode


def relative_error(ours: Tensor, theirs: Tensor) -> float:
    """Largest difference, relative to the largest magnitude of `theirs`."""
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()
