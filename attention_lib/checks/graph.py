"""The graph of a forward pass: each operation, what it reads, and the shape that comes out."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.utils._pytree import tree_leaves

from attention_lib.cards.flow import FlowError

# They only say where numbers lie, or how wide they are
ARRANGING = """
    reshape view permute transpose mT movedim flatten unflatten squeeze unsqueeze expand slice
    select index unbind chunk split tensor_split getitem unfold contiguous clone alias repeat flip
    split_with_sizes narrow detach view_as expand_as repeat_interleave index_select
    to promote_types _assert_tensor_metadata pad stack cat dropout feature_dropout
"""
# Of what they read, only the shape counts
MAKING = "new_zeros new_ones new_full zeros_like ones_like full_like empty_like"
QUIET, BLANK = set(ARRANGING.split()), set(MAKING.split())
GIVEN = {"input", "parameter", "buffer", "output"}
LIKE = {"view_as", "expand_as"}  # of the second that they read, only the shape counts


@dataclass(eq=False)
class Node:
    """One operation of a forward pass."""

    name: str
    op: str  # or one of GIVEN, or the part of the module that it is the call of
    reads: list["Node"]
    shape: tuple[int, ...] | None
    calls: tuple[str, ...] = ()  # of the parts that run it: "path@call", outermost first
    owner: str = ""  # the full name of a parameter
    part: int | None = None  # which part of a result it is
    scaled: bool = False  # times or over a number, or plus 0
    below: list["Node"] = field(default_factory=list, init=False)  # what reads it

    def __post_init__(self) -> None:
        self.above: set[Node] = {*self.reads}.union(*(read.above for read in self.reads))
        self.live: bool = self.op in ("input", "parameter") or any(read.live for read in self.reads)
        self.batched: bool = self.op == "input" or any(read.batched for read in self.reads)
        self.joins = sum(read.live for read in self.reads) > 1
        self.quiet = self.op in QUIET or self.scaled or not self.live
        for read in self.reads:
            read.below.append(self)


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    **_: object,
) -> Tensor:
    """Fused attention as the formula it stands for, whose steps can be seen."""
    logits = query / query.shape[-1] ** 0.5 @ key.mT
    if attn_mask is not None:
        hides = attn_mask.dtype == torch.bool
        logits = logits.masked_fill(~attn_mask, -torch.inf) if hides else logits + attn_mask
    if is_causal:
        hidden = torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device).triu(1)
        logits = logits.masked_fill(hidden, -torch.inf)
    return logits.softmax(dim=-1) @ value


def trace(module: nn.Module, *inputs: object) -> list[Node]:
    """Each operation of one forward pass, in order.

    Raises:
        FlowError: if torch.export cannot trace it.
    """
    with patch.object(F, "scaled_dot_product_attention", _attention):
        try:
            program = torch.export.export(module.eval(), inputs, strict=False)
        except Exception as error:  # whatever a custom module does
            what = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise FlowError(f"torch.export cannot trace {type(module).__name__}: {what}") from error
    signature = program.graph_signature
    inputs_of, parameters = set(signature.user_inputs), signature.inputs_to_parameters
    made: dict[str, Node] = {}  # by name: what a tensor holds now, that may be written into
    nodes = []
    for node in program.graph.nodes:
        owner, schema = parameters.get(node.name, ""), getattr(node.target, "_schema", None)
        if node.op == "placeholder":
            op = "parameter" if owner else "input" if node.name in inputs_of else "buffer"
        elif schema:
            op = schema.name.split("::")[1].rstrip("_")
        else:
            op = getattr(node.target, "__name__", node.op)
        second = node.args[1] if len(node.args) > 1 else None
        number = isinstance(second, int | float)
        stack = node.meta.get("nn_module_stack") or {}
        count = 0 if op in BLANK else 1 if op in LIKE else None
        made[node.name] = new = Node(
            node.name,
            op,
            [made[read.name] for read in _reads(node)[:count]],
            _shape(node),
            tuple(f"{path.partition('@')[0]}@{call}" for call, (path, _) in stack.items() if path),
            owner,
            _part(op, node),
            number and (op in ("mul", "div") or (op == "add" and not second)),  # sum() adds to 0
        )
        nodes.append(new)
        if schema and schema.is_mutable:
            for written in _written(node):
                new.shape = _shape(written)
                made[written.name] = new
    return nodes


def _reads(node: fx.Node) -> list[fx.Node]:
    """What an operation reads, in order; twice what it reads twice."""
    return [read for read in tree_leaves((node.args, node.kwargs)) if isinstance(read, fx.Node)]


def _shape(node: fx.Node) -> tuple[int, ...] | None:
    value = node.meta.get("val")
    return tuple(value.shape) if isinstance(value, Tensor) else None


def _part(op: str, node: fx.Node) -> int | None:
    """Which part of a result an operation takes; None if it takes the whole."""
    place = {"getitem": 1, "select": 2, "slice": 2, "narrow": 2}.get(op)
    if place is None or len(node.args) <= place:
        return None
    found, whole = node.args[place], node.args[0]
    cuts = op in ("getitem", "select") or _shape(node) != _shape(whole)  # type: ignore[arg-type]
    return found if isinstance(found, int) and cuts else None


def _written(node: fx.Node) -> Iterator[fx.Node]:
    """What an operation in place writes into: a tensor, and all that this is a view of."""
    changed = node.args[0] if node.args else None
    while isinstance(changed, fx.Node):
        yield changed
        schema = getattr(changed.target, "_schema", None)
        seen = schema and not schema.is_mutable and any(r.alias_info for r in schema.returns)
        views = seen or getattr(changed.target, "__name__", "") == "getitem"
        changed = changed.args[0] if views else None


def drawn_together(nodes: list[Node], parts: set[str]) -> list[Node]:
    """The graph with each call of one of these parts as one operation."""
    call = {n: next((c for c in n.calls if c.partition("@")[0] in parts), None) for n in nodes}
    last = {inside: n for n, inside in call.items() if inside}
    new: dict[Node, Node] = {}
    for node in nodes:
        inside = call[node]
        if inside and last[inside] is not node:
            continue
        members = [n for n in nodes if call[n] == inside] if inside else [node]
        reads = [last.get(call[r] or "", r) for n in members for r in n.reads]
        reads = [new[r] for r in (dict.fromkeys(reads) if inside else reads) if r is not node]
        new[node] = replace(node, op=inside.partition("@")[0] if inside else node.op, reads=reads)
    return list(new.values())
