"""A module's whole forward as one graph, with the network as an operation of it, cut into what lies before and behind."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch._ops import HigherOrderOperator, OpOverload
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from evit_mobile.errors import CheckpointError
from evit_mobile.models.surroundings.cut import Section, intermediate, split
from evit_mobile.models.surroundings.leaf import NETWORK, IntermediateError, NotCalledError
from evit_mobile.models.surroundings.naming import named, operation, place
from evit_mobile.models.surroundings.outputs import OneOutput
from evit_mobile.models.surroundings.plain import plain


@dataclass(frozen=True, slots=True)
class Traced:
    """What lies before the network and behind it, each one tensor to one tensor; Identity where nothing does."""

    before: nn.Module
    behind: nn.Module


Image = tuple[int, int, int]
"""Channels, height and width."""


def traced(
    module: nn.Module, image: Image, taken: Image, standing_in: Callable[[], AbstractContextManager[None]]
) -> Traced:
    """What `module` does with one image, before and behind the network, which takes one like `taken`; within `standing_in()` the network
    is an operation.

    Raises NotCalledError where it is not called as such, CheckpointError for what no file can hold.
    """
    name = type(module).__name__
    with standing_in():
        program = exported(OneOutput(module), torch.zeros(1, *image), name)
    if not any(node.target is NETWORK for node in program.graph.nodes):
        raise not_called(program, name)
    whole = program.module(check_guards=False)
    assert isinstance(whole, GraphModule)
    if changed := [str(node.args[0].target) for node in whole.graph.nodes if changes_state(node)]:
        raise CheckpointError(
            got=f"a {name} whose forward changes {named([path.removeprefix('module.') for path in changed])}",
            allowed="a forward that leaves the module as it is in eval mode",
            do="make it keep its state in training only",
        )
    places = {str(node.target): place(node) for node in whole.graph.nodes}
    return Traced(*(module_of(section, name, places) for section in split(whole, name, taken)))


def changes_state(node: Node) -> bool:
    """Whether an operation works in place on a buffer of the module."""
    mutable = isinstance(node.target, OpOverload) and node.target._schema.is_mutable
    return mutable and isinstance(node.args[0], Node) and node.args[0].op == "get_attr"


def module_of(section: Section, name: str, places: Mapping[str, str]) -> nn.Module:
    """A section of the forward as a module of its own. Raises CheckpointError."""
    if section.graph is None:
        return nn.Identity()
    return plain(exported(GraphModule(section.root, section.graph), section.example, name), name, places)


def not_called(program: ExportedProgram, name: str) -> Exception:
    """The error for a program in which nothing stands for the network."""
    regions = [operation(node) for node in program.graph.nodes if isinstance(node.target, HigherOrderOperator)]
    if not regions:
        return NotCalledError()
    return CheckpointError(
        got=f"a {name} whose forward runs the EfficientViT in a region of its own: {named(regions)}",
        allowed="operations one after the other, in fp32",
        do="leave autocast and control flow out of the forward that is converted",
    )


def exported(module: nn.Module, x: Tensor, name: str) -> ExportedProgram:
    """The forward of `module`, of the user's `name`, as a program over tensors like `x`. Raises CheckpointError where it is none."""
    try:
        with torch.no_grad(), quiet():
            return torch.export.export(module, (x,))
    except (CheckpointError, NotCalledError):
        raise
    except IntermediateError as error:
        raise intermediate(name, str(error)) from error
    except Exception as error:  # the user's code may fail in any way
        raise CheckpointError(
            got=f"a {name} whose forward is no fixed sequence of operations: {first_line(error)}",
            allowed="a forward that does the same with every image: no decision or length may depend on the values in it",
            do="pass the EfficientViT with what can be written, and leave the rest to the app",
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps torch from printing and logging what went wrong in a trace, which the error says."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(disabled)


def first_line(error: Exception) -> str:
    """The first line of an error, with its type."""
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
