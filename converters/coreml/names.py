"""Names in a program: its interface, and its operations with the path of the module that each comes from.

MIL allows letters, digits and underscores, so a dot of the path becomes a double underscore:
node `conv2d_3` of module `stages.0.blocks.0.dw0.m` is `stages__0__blocks__0__dw0__m__conv2d_3`. coremltools puts `op_`
before a name that starts with a digit.
"""

from __future__ import annotations

import re

INPUT, OUTPUT = "image", "logits"
PROBABILITIES, CLASS, CLASS_PROBABILITIES = "probabilities", "classLabel", "classLabel_probs"
DOT = "__"
PREFIX = re.compile(r"^op_(?=\d)")


def operation_name(module: str, node: str) -> str:
    """The MIL name of graph node `node` in the module with dotted path `module` ("" for the top)."""
    return DOT.join([*module.split("."), node] if module else [node])


def module_path(name: str) -> str:
    """The dotted module path inside a MIL name; "" where there is none."""
    return ".".join(PREFIX.sub("", name).split(DOT)[:-1])
