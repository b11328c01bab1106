"""The delegate's bytes: what is written is read back, and what native code would trust is checked."""

from __future__ import annotations

import pytest

from converters.contract import Precision
from converters.errors import ArtefactError, ToolchainError
from tests.converters.executorch.constant_models import old_form
from tests.lazily import Lazily

containers = Lazily("converters.executorch.container")
delegates = Lazily("converters.executorch.delegate")


def test_a_constant_that_is_too_short_is_refused(small: bytes) -> None:
    """Files of other writers have no digest: what native code would believe is checked against the file."""
    (graph,) = containers.open_container(small).graphs
    constants = dict(containers.open_container(small).constants)
    key = next(value.key for value in graph.values.values() if value.key is not None)
    constants[key] = constants[key][:-4]
    with pytest.raises(ArtefactError, match="too short"):
        graph.check(constants)
    del constants[key]
    with pytest.raises(ArtefactError, match="missing"):
        graph.check(constants)


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.FP16])
def test_a_constant_inside_the_delegate_is_caught_before_it_is_written(precision: Precision) -> None:
    with pytest.raises(ToolchainError, match=r"XNNPACK does not pack, of Add"):
        delegates.write_blob(old_form(precision))
