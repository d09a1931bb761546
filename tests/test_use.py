"""What users do to a module: each check of it turns red on a module that does not bear it."""

import pytest
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.testing import assert_close

from attention_lib import create
from attention_lib.cards.card import Card
from attention_lib.cards.shape import Tokens, shaped
from attention_lib.catalog import catalog, every_card
from attention_lib.checks import answers, ready, travel, use, verdict

LISTS = nn.ParameterList, nn.ParameterDict  # they are not called
TOKENS = dict(paper="", example=dict(dim=6), sizes=dict(batch=2, tokens=5))


class Plain(nn.Module):
    """A layer on tokens, which bears everything; the faults below are changes of it."""

    def __init__(self, dim: int):
        super().__init__()
        self.dim = dim
        self.layer = nn.Linear(dim, dim)

    @shaped
    def forward(self, x: Tokens) -> Tokens:
        return self.layer(x).tanh()


class Branches(Plain):
    """It asks a tensor for a number, and @shaped does not hide that from torch.fx."""

    def forward(self, x: Tokens) -> Tokens:
        return self.layer(x) if x.sum() > 0 else x


class Scalar(Plain):
    """What it learned beside its layer has no axis."""

    def __init__(self, dim: int):
        super().__init__(dim)
        self.scale = nn.Parameter(torch.tensor(0.5))


class HalfNorm(Plain):
    """Its norm is a standard layer with a part missing."""

    def __init__(self, dim: int):
        super().__init__(dim)
        self.norm = nn.LayerNorm(dim, bias=False)


class ReadsPast(Plain):
    """It multiplies by the weight of its layer, which is never called."""

    def forward(self, x: Tokens) -> Tokens:
        return (x @ self.layer.weight.mT + self.layer.bias).tanh()


class ReadsPastBesideIt(Plain):
    """It reads the layer only where an argument is given that may be left out."""

    @shaped
    def forward(
        self, x: Tokens, context: Float[Tensor, "batch source dim"] | None = None
    ) -> Tokens:
        return (self.layer(x) if context is None else F.linear(context, self.layer.weight)).tanh()


class Chooses(Plain):
    """It chooses its path by what a tensor says of gradients, which vmap hides from it."""

    @shaped
    def forward(self, x: Tokens) -> Tokens:
        y = self.layer(x)
        return y.tanh() if y.requires_grad else y.detach().tanh()


class Writes(Plain):
    """It writes into a tensor of its own, which vmap does not know to be one of several."""

    @shaped
    def forward(self, x: Tokens) -> Tokens:
        return torch.zeros(x.shape, dtype=x.dtype).copy_(self.layer(x).tanh())


class Adds(Plain):
    """A sum of features, which is more than float16 holds before it is divided."""

    @shaped
    def forward(self, x: Tokens) -> Tokens:
        return x * (self.layer(x).sum(dim=-1, keepdim=True) / self.dim).sigmoid() + 0 * x.sum()


class Spells(Plain):
    """It says `mT`, which the older ONNX exporter does not know."""

    @shaped
    def forward(self, x: Tokens) -> Tokens:
        return self.layer(x.mT.tanh().mT)


class Gathers(Plain):
    """It leaves a token that may read nothing to torch's kernel, in whose file it reads all."""

    @shaped
    def forward(self, x: Tokens, key_mask: Bool[Tensor, "batch tokens"] | None = None) -> Tokens:
        y = self.layer(x)
        mask = None if key_mask is None else key_mask[:, None, :]
        return F.scaled_dot_product_attention(y, y, y, attn_mask=mask)


SLOW = pytest.mark.slow
FAULTS = [
    pytest.param(travel.check_torchscript, Spells, marks=SLOW),
    pytest.param(travel.check_onnx_masks, Gathers, marks=SLOW),
    (use.check_fx_trace, Branches),
    (use.check_layers_are_called, ReadsPast),
    (use.check_vmap, Chooses),
    (use.check_vmap, Writes),
    (answers.check_float16_to_its_end, Adds),
    (use.check_layers_are_called, ReadsPastBesideIt),
    (use.check_sharding, Scalar),
    (use.check_initialization, HalfNorm),
]


@pytest.mark.parametrize(("check", "fault"), FAULTS, ids=lambda value: value.__name__)
def test_each_check_turns_red(check, fault):
    assert verdict(check, Card(Plain, **TOKENS))[0] in ("passed", "not applicable")
    status, _ = verdict(check, Card(fault, **TOKENS))
    assert status == "failed"


def test_traced_by_itself_a_network_is_followed_and_its_mechanisms_are_leaves():
    network = create("resnet", depths=(1, 1), attention=lambda channels: create("se", channels))
    x = torch.randn(1, 3, 40, 40)
    graph = torch.fx.symbolic_trace(network.eval())
    assert_close(graph(x), network(x))
    leaves = [node.target for node in graph.graph.nodes if node.op == "call_module"]
    assert "layer1.0.attention" in leaves and "layer1.0.attention.squash" not in leaves


def test_traced_by_itself_a_mechanism_says_that_it_is_a_leaf():
    with pytest.raises(TypeError, match=r"MultiHeadAttention: .* as a leaf"):
        torch.fx.symbolic_trace(create("mha", dim=8))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("card", catalog(), ids=str)
def test_linear_layers_may_be_int8(card):
    """The usual step on a CPU: weights of 8 bits, and inputs rounded as they come."""
    mechanism, inputs = ready(card, torch.float32)
    small = torch.ao.quantization.quantize_dynamic(mechanism, {nn.Linear}, dtype=torch.qint8)
    exact = mechanism(*inputs)
    assert (small(*inputs) - exact).norm() < 0.2 * exact.norm()


@pytest.fixture(scope="module")
def alone():
    """A group of one process."""
    from torch import distributed

    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield distributed.device_mesh.init_device_mesh("cpu", (1,))
    distributed.destroy_process_group()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("card", [c for c in every_card() if c.params != "0"], ids=str)
def test_layers_are_sharded_one_by_one(card, alone):
    """Between the calls of a layer, its weights lie in pieces."""
    from torch.distributed.fsdp import fully_shard

    mechanism, inputs = ready(card)
    wanted = mechanism(*inputs).detach()
    for part in [*mechanism.modules()][::-1]:
        if any(True for _ in part.parameters(recurse=False)) and not isinstance(part, LISTS):
            fully_shard(part, mesh=alone, reshard_after_forward=True)
    answer = mechanism(*inputs)
    assert_close(answer.detach(), wanted)
    answer.square().mean().backward()
