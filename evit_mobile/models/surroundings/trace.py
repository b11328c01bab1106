"""A module's whole forward as one graph, with the network as an operation of it, cut into what lies before and behind."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, fields, is_dataclass
from operator import getitem
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import HigherOrderOperator
from torch.export import ExportedProgram
from torch.fx import Graph, GraphModule, Node

from evit_mobile.errors import CheckpointError
from evit_mobile.models.surroundings.affine import fold_affine
from evit_mobile.models.surroundings.choices import rewrite_choices
from evit_mobile.models.surroundings.constants import fold_constants, shape_of
from evit_mobile.models.surroundings.forms import FORMS, PLAIN
from evit_mobile.models.surroundings.leaf import FINAL, NETWORK, IntermediateError, NotCalledError

ATEN = torch.ops.aten
NAMED = 4
"""How many calls or parameters an error names."""
UNCHANGED = {
    ATEN.alias.default,
    ATEN.clone.default,
    ATEN.contiguous.default,
    ATEN.detach.default,
    ATEN.dropout.default,
    ATEN.feature_dropout.default,
    ATEN.lift_fresh_copy.default,
}
"""Operations that, in eval mode, give what they read."""
CASTS = {ATEN.to.dtype, ATEN.to.dtype_layout, ATEN._to_copy.default}


@dataclass(frozen=True, slots=True)
class Traced:
    """What lies before the network and behind it, each one tensor to one tensor; Identity where nothing does."""

    before: nn.Module
    behind: nn.Module


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a traced forward, from a tensor like `example` to one; its constants are in `root`. No graph where nothing is done."""

    root: GraphModule
    graph: Graph | None
    example: Tensor


class OneOutput(nn.Module):
    """`module` as a function of one image (1, 3, H, W) to one tensor."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return only_tensor(self.module(x.clone()), type(self.module).__name__)


def only_tensor(output: object, name: str) -> Tensor:
    """The one tensor that a forward returns, by itself or in a tuple, a dictionary or a dataclass, and of the stages of MIT's backbone
    the last. Raises CheckpointError for several.
    """
    found = dict(named_tensors(output))
    if list(found)[-1:] == [FINAL] and "stage0" in found:
        return found[FINAL]
    if len(found) == 1:
        return next(iter(found.values()))
    shapes = ", ".join(f"{key} {tuple(tensor.shape)}" for key, tensor in found.items())
    raise CheckpointError(
        got=f"a {name} that returns {type(output).__name__}"
        + (f" with {len(found)} outputs: {shapes}" if found else ""),
        allowed="one output: a tensor, or a tuple, dictionary or dataclass with one, such as `logits`",
        do="wrap the module in one whose forward returns the output to convert; convert once per output",
    )


def named_tensors(output: object) -> list[tuple[str, Tensor]]:
    """The tensors of what a forward returns, by the name under which they are found."""
    match output:
        case Tensor():
            return [("output", output)]
        case Mapping():
            items = [(str(key), value) for key, value in output.items()]
        case list() | tuple():
            items = [(f"output {place}", value) for place, value in enumerate(output)]
        case _ if is_dataclass(output):
            items = [(field.name, getattr(output, field.name)) for field in fields(output)]
        case _:
            items = []
    return [
        (key if name == "output" else f"{key}.{name}", value)
        for key, item in items
        for name, value in named_tensors(item)
    ]


def traced(module: nn.Module, size: tuple[int, int], standing_in: Callable[[], AbstractContextManager[None]]) -> Traced:
    """What `module` does before and behind the network, for one image of `size` = (height, width); within `standing_in()` the network is
    an operation.

    Raises NotCalledError where it is not called as such, CheckpointError for what no file can hold.
    """
    name = type(module).__name__
    with standing_in():
        program = exported(OneOutput(module), torch.zeros(1, 3, *size), name)
    if not any(node.target is NETWORK for node in program.graph.nodes):
        raise not_called(program, name)
    if changed := program.graph_signature.buffers_to_mutate.values():
        raise CheckpointError(
            got=f"a {name} whose forward changes {named(list(changed))}",
            allowed="a forward that leaves the module as it is in eval mode",
            do="make it keep its state in training only",
        )
    whole = program.module(check_guards=False)
    assert isinstance(whole, GraphModule)
    places = {str(node.target): place(node) for node in whole.graph.nodes}
    before, behind = split(whole, name, size)
    return Traced(*(plain(part, name, places) for part in (before, behind)))


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


def intermediate(name: str, where: str) -> CheckpointError:
    """The error for a forward that looks into the network."""
    return CheckpointError(
        got=f"a {name} whose forward {where}, which are features from within the EfficientViT",
        allowed="what goes on from the network's output or from its last stage's features",
        do="pass the EfficientViT without what reads its stages; a decoder of one's own has no place in the file",
    )


def first_line(error: Exception) -> str:
    """The first line of an error, with its type."""
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"


def plain(part: Section, name: str, places: Mapping[str, str]) -> nn.Module:
    """A part of the forward in operations that all formats have; `places` says where the user's module calls each.

    Raises CheckpointError naming those that have no such form.
    """
    if part.graph is None:
        return nn.Identity()
    program = exported(GraphModule(part.root, part.graph), part.example, name).run_decompositions(FORMS)
    module = program.module(check_guards=False)
    assert isinstance(module, GraphModule)
    for step in STEPS:
        step(module)
    if foreign := [node for node in module.graph.nodes if not is_plain(node)]:
        calls = dict.fromkeys(f"{operation(node)}{places.get(str(node.target), '')}" for node in foreign)
        raise CheckpointError(
            got=f"a {name} that, outside the EfficientViT, calls {named(list(calls))}",
            allowed="layers, activations, sums, products, means, choices and softmax: what every format can write",
            do="leave these to the app, or replace them by such operations",
        )
    if not any(node.op == "call_function" for node in module.graph.nodes):
        return nn.Identity()
    return GraphModule(module, module.graph)


def skip_unchanged(module: GraphModule) -> None:
    """Takes out, in place, what does nothing in eval mode."""
    for node in list(module.graph.nodes):
        cast = node.target in CASTS and node.meta["val"].dtype == node.args[0].meta["val"].dtype
        if node.target in UNCHANGED or cast:
            node.replace_all_uses_with(node.args[0])
        if node.target is ATEN._assert_tensor_metadata.default:
            module.graph.erase_node(node)
    module.graph.eliminate_dead_code()


STEPS = (skip_unchanged, fold_constants, rewrite_choices, fold_affine)
"""What becomes of a part after its operations have their forms; each in place."""


def is_plain(node: Node) -> bool:
    """Whether every format has the operation, and for floats."""
    if node.op != "call_function" or node.target is getitem:
        return True
    value = node.meta.get("val")
    return str(node.target) in PLAIN and (not isinstance(value, Tensor) or value.dtype is torch.float32)


def operation(node: Node) -> str:
    """The name of what a node calls."""
    return str(node.target).removeprefix("aten.").split(".")[0]


def place(node: Node) -> str:
    """ " in PATH" of the module that a node belongs to; nothing for the outermost."""
    stack = node.meta.get("nn_module_stack") or {}
    path = str(list(stack.values())[-1][0]).removeprefix("module").strip(".") if stack else ""
    return f" in {path!r}" if path else ""


def named(items: Sequence[str]) -> str:
    """The first of a list, and how many there are."""
    return ", ".join(items[:NAMED]) + (f" and {len(items) - NAMED} more" if len(items) > NAMED else "")


def split(module: GraphModule, name: str, size: tuple[int, int]) -> tuple[Section, Section]:
    """The graph cut at the network. Raises CheckpointError where it is called more than once or bypassed."""
    nodes = list(module.graph.nodes)
    parts = network_parts(nodes, name, size)
    (image,) = (node for node in nodes if node.op == "placeholder")
    (result,) = (node for node in nodes if node.op == "output")
    output = result.all_input_nodes[0]
    before, behind = reached_from(image, parts[0]), reached_from(parts[-1], None)
    around = [node for node in behind - {parts[-1]} if any(source in before for source in node.all_input_nodes)]
    if output not in behind or around:
        calls = dict.fromkeys(f"{operation(node)}{place(node)}" for node in nodes if node in around)
        raise CheckpointError(
            got=f"a {name} whose forward goes round the EfficientViT: "
            + (f"{named(list(calls))} also reads the image" if around else "its output ignores the network"),
            allowed="what lies before the network and what lies behind it, one after the other",
            do="pass a module whose output is a function of the network's",
        )
    start = parts[0].args[0]
    assert isinstance(start, Node)
    return section(module, image, start), section(module, parts[-1], output)


def network_parts(nodes: Sequence[Node], name: str, size: tuple[int, int]) -> list[Node]:
    """The operations that stand for the network, in order. Raises CheckpointError where they are no chain of single calls."""
    parts = [node for node in nodes if node.target is NETWORK]
    numbers = [node.args[1] for node in parts]
    if len(set(numbers)) < len(numbers):
        raise CheckpointError(
            got=f"a {name} whose forward calls the EfficientViT {max(numbers.count(number) for number in numbers)} times",
            allowed="one call of the network: a file holds one pass, without test-time averaging over several",
            do="pass the network itself, and average in the app",
        )
    chained = all(after.args[0] is part and len(part.users) == 1 for part, after in zip(parts, parts[1:], strict=False))
    if numbers != list(range(len(parts))) or not chained:
        raise intermediate(name, "takes the network apart")
    if shape_of(parts[0].args[0]) != (1, 3, *size):
        raise CheckpointError(
            got=f"a {name} that gives the EfficientViT images of shape {shape_of(parts[0].args[0])} for one of (1, 3, {size[0]}, {size[1]})",
            allowed="one image, of the size that the module is given",
            do="resize and crop before the module, and pass images one by one",
        )
    return parts


def reached_from(start: Node, stop: Node | None) -> set[Node]:
    """`start` and every node that depends on it, short of `stop` and the output."""
    reached, waiting = {start}, [start]
    while waiting:
        for user in waiting.pop().users:
            if user not in reached and user is not stop and user.op != "output":
                reached.add(user)
                waiting.append(user)
    return reached


def section(module: GraphModule, start: Node, end: Node) -> Section:
    """What leads from `start` to `end`."""
    example = torch.zeros(shape_of(start))
    if start is end:
        return Section(module, None, example)
    graph = Graph()
    copies = {start: graph.placeholder("x")}
    needed = ancestors(end, start)
    for node in module.graph.nodes:
        if node in needed:
            copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(copies[end])
    return Section(module, graph, example)


def ancestors(end: Node, start: Node) -> set[Node]:
    """`end` and every node that it depends on, as far as `start`."""
    needed, waiting = {end}, [end]
    while waiting:
        for source in waiting.pop().all_input_nodes:
            if source is not start and source not in needed:
                needed.add(source)
                waiting.append(source)
    return needed
