"""What is integer in an exported program, and how: target-neutral, and read back from every format by tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """The codes of a tensor: integers of so many `bits`, with one scale for all or, along `axis`, one for each slice. Symmetric ones have
    the zero point 0 and as many codes below it as above.
    """

    bits: int = 8
    axis: int | None = None
    symmetric: bool = False

    @property
    def least(self) -> int:
        """The smallest code."""
        return -self.most if self.symmetric else -(1 << (self.bits - 1))

    @property
    def most(self) -> int:
        """The largest code."""
        return (1 << (self.bits - 1)) - 1


INT8 = Numbers()
INT8_CHANNELS = Numbers(axis=0, symmetric=True)
"""Of weights: a scale for each output channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationQuantization:
    """Affine quantization of one tensor of the exported graph: real = scale * (q - zero_point), q being an integer of `bits`.

    `tensor` is the name of the graph node that produces it, `module` the path of the module it belongs to.
    """

    tensor: str
    module: str
    scale: float
    zero_point: int
    bits: int = 8

    @property
    def numbers(self) -> Numbers:
        """What q is."""
        return Numbers(bits=self.bits)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightQuantization:
    """Symmetric quantization of one parameter: real = scales[channel] * q, q being an integer of `bits`.

    `tensor` is the parameter's name in the exported program's state dict; `axis` is its output-channel dimension.
    """

    tensor: str
    module: str
    scales: tuple[float, ...]
    axis: int = 0
    bits: int = 8

    @property
    def numbers(self) -> Numbers:
        """What q is."""
        return Numbers(bits=self.bits, axis=self.axis, symmetric=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class BiasCorrection:
    """What is added to one bias: values (channels,). `tensor` is the parameter's name in the exported program's state dict."""

    tensor: str
    module: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatDecision:
    """A graph operation that stays float in an int8 artefact, and why."""

    tensor: str
    module: str
    operation: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantPlan:
    """What is int8, with which parameters, and what is float, for one exported program. Target-neutral."""

    activations: tuple[ActivationQuantization, ...]
    weights: tuple[WeightQuantization, ...]
    floats: tuple[FloatDecision, ...]
    biases: tuple[BiasCorrection, ...] = ()
