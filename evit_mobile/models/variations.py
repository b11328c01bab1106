"""The named variations of the reference models: what each of them replaces."""

from __future__ import annotations

from torch import nn

from evit_mobile.families.architecture import Variation
from evit_mobile.models.mit import ClassifierHead, FusedMBConv, MBConv
from evit_mobile.models.msra import CascadedGroupAttention, LocalWindowAttention
from evit_mobile.models.relu_attention import ReluCascadedAttention


def vary(model: nn.Module, variation: Variation) -> None:
    """Changes a reference model in place into its variation. Weights stay where they have a place; its function does not."""
    if variation is Variation.RELU_ATTENTION:
        replace_softmax_attention(model)
    else:
        replace_activations(model)


def replace_softmax_attention(model: nn.Module) -> None:
    """Cascaded group attention becomes ReLU linear attention (M variants)."""
    for mixer in model.modules():
        if isinstance(mixer, LocalWindowAttention):
            mixer.attn = ReluCascadedAttention(mixer.attn)  # type: ignore[assignment]  # stands in its place


def replace_activations(model: nn.Module) -> None:
    """Hard swish (B variants) and GELU (L variants) become ReLU."""
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.Hardswish | nn.GELU):
                setattr(parent, name, nn.ReLU())


def replaced_blocks(model: nn.Module, variation: Variation) -> tuple[str, ...]:
    """Paths of the blocks of the original `model` that hold everything the variation replaces; each gives one tensor."""
    if variation is Variation.RELU_ATTENTION:
        return tuple(path for path, module in model.named_modules() if isinstance(module, CascadedGroupAttention))
    kinds = (MBConv, FusedMBConv, ClassifierHead)
    return ("stem", *(path for path, module in model.named_modules() if isinstance(module, kinds)))
