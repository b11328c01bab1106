"""The input size that weights were trained at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from evit_mobile.families.architecture import ModelSpec

if TYPE_CHECKING:
    from evit_mobile.models.weights.match import Match


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedSize:
    """Input size (height, width) of the weights, and in words where it is from. `windows` gives the sides of the windows that a size
    makes, of each stage, where the weights have tables of these.
    """

    size: tuple[int, int]
    note: str
    windows: Callable[[tuple[int, int]], tuple[int, ...]] = lambda _: ()

    def note_at(self, spec: ModelSpec) -> str:
        """The remark on `spec`, the model as it is loaded: for the trained size, or for another that was asked for."""
        if spec.size == self.size:
            return self.note
        before, after = self.windows(self.size), self.windows(spec.size)
        resized = "" if before == after else f"; bias tables of windows {listed(before)} resized to {listed(after)}"
        return f"used at {pixels(spec.size)}, as asked for{resized}"


def stated_size(match: Match, state: Mapping[str, Tensor], recorded: tuple[int, int] | None) -> TrainedSize:  # noqa: ARG001  # the tensors do not tell
    """What was stated with the weights, else the variant's default."""
    spec = match.template.spec
    if recorded is not None:
        return TrainedSize(size=recorded, note=f"input size {pixels(recorded)}, as stated with the weights")
    default = f"the weights do not say their input size; {pixels(spec.size)}, the variant's default, is used"
    return TrainedSize(size=spec.size, note=default)


def pixels(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
