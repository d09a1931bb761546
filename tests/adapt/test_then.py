"""What users do to a network after an insertion: the mechanism stays and runs once."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import (
    apply_activation_checkpointing,
)
from torch.nn.utils import prune
from torch.testing import assert_close

from attention_lib.adapt import insert
from tests.oracles import torchvision_ops  # noqa: F401  (before torchvision)

X = torch.randn(2, 3, 8, 9)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6)

    def forward(self, x):
        return self.norm(self.conv(x)).relu()


def plain():
    net = nn.Sequential(Block(), nn.Flatten(), nn.Linear(6 * 6 * 7, 4))
    net[0].norm.running_mean.normal_()
    return net.eval()


PLACES = ("0.norm", "0", "0.conv")


def at(place):
    """Where, by the whole name."""
    return lambda name, _: name == place


@pytest.fixture(params=PLACES)
def net(request):
    torch.manual_seed(0)
    made = plain()
    for place in insert(made, "se", at(request.param), reduction=2, example=X):
        nn.init.normal_(place.mechanism.excite.weight, std=5)
    return made


def mechanisms(net):
    return [m for m in net.modules() if type(m).__name__ == "SqueezeExcitation"]


def runs(net):
    """How often the mechanism runs in one call."""
    ran = []
    [mechanism] = mechanisms(net)
    hook = mechanism.register_forward_hook(lambda *_: ran.append(1))
    net(X)
    hook.remove()
    return len(ran)


def test_it_is_copied_and_pickled(net):
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(other(X), net(X)) and runs(other) == 1


def test_compiled_after_the_same_network_without_it(net):
    torch._dynamo.reset()
    without = plain()
    torch.compile(without, backend="eager")(X)
    assert_close(torch.compile(net, backend="eager", fullgraph=True)(X), net(X))


def test_inserted_into_a_network_that_was_compiled_and_has_run():
    torch._dynamo.reset()
    net = plain()
    compiled = torch.compile(net, backend="eager")
    compiled(X)
    insert(compiled, "se", "norm", reduction=2, example=X)
    assert runs(net) == 1
    assert_close(compiled(X), net(X))
    net.compile(backend="eager")
    net(X)
    [place] = insert(net, "eca", "conv", example=X)
    nn.init.normal_(place.mechanism.mix.weight)
    assert_close(net(X), torch.nn.Sequential.forward(net, X))


@pytest.mark.filterwarnings("ignore:.*deprecated")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_it_is_exported_and_traced(net):
    assert_close(torch.export.export(net, (X,)).module()(X), net(X))
    assert_close(torch.jit.trace(net, X)(X), net(X))


def test_it_is_followed_by_fx_and_gives_features(net):
    """The mechanism is a leaf of the graph; features are taken by the names of before."""
    from torchvision.models.feature_extraction import create_feature_extractor

    assert_close(torch.fx.symbolic_trace(net)(X), net(X))
    features = create_feature_extractor(net, {"0": "block"})
    assert_close(features(X)["block"], net[0](X))


@pytest.mark.filterwarnings("ignore:.*deprecated")
@pytest.mark.parametrize("place", PLACES)
def test_what_fuses_layers_in_a_graph_keeps_it(place):
    from torch.fx.experimental.optimization import fuse

    net = plain()
    insert(net, "se", at(place), reduction=2, example=X)
    fused, x = fuse(copy.deepcopy(net.double())), X.double()
    assert_close(fused(x), net(x))
    assert len(mechanisms(fused)) == 1


def test_checkpoints_of_activations(net):
    expected = net(X)
    apply_activation_checkpointing(net, check_fn=lambda m: isinstance(m, nn.BatchNorm2d))
    assert_close(net(X), expected)
    assert runs(net) == 1


def test_synchronized_norms(net):
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(net)).eval()
    assert any(isinstance(m, nn.SyncBatchNorm) for m in converted.modules())
    assert_close(converted(X), net(X))


def test_a_layer_is_replaced_by_one_with_its_weights(net):
    for name, module in list(net.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            fresh = nn.BatchNorm2d(6).eval()
            fresh.load_state_dict(module.state_dict())
            parent, _, key = name.rpartition(".")
            setattr(net.get_submodule(parent), key, fresh)
    before = net(X)
    assert runs(net) == 1 and torch.equal(net(X), before)


def test_convolutions_and_norms_are_folded():
    net = plain()
    insert(net, "se", at("0"), reduction=2, example=X)
    expected = net(X)
    block = net[0].host
    folded = nn.utils.fusion.fuse_conv_bn_eval(block.conv, block.norm)
    net[0].conv, net[0].norm = folded, nn.Identity()
    assert_close(net(X), expected)
    assert runs(net) == 1


class Adapter(nn.Module):
    """A wrapper as low-rank adapters are: it calls what it wraps."""

    def __init__(self, base):
        super().__init__()
        self.base = base

    def forward(self, x):
        return self.base(x) + 1


def test_a_layer_is_wrapped(net):
    expected = net(X)
    for name, module in list(net.named_modules()):
        if isinstance(module, nn.Conv2d):
            parent, _, key = name.rpartition(".")
            setattr(net.get_submodule(parent), key, Adapter(module))
    assert runs(net) == 1 and not torch.allclose(net(X), expected)


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_int8(net):
    quantized = torch.ao.quantization.quantize_dynamic(net, {nn.Linear}, dtype=torch.qint8)
    assert runs(quantized) == 1
    kinds = [type(m).__module__ for m in quantized.modules() if type(m).__name__ == "Linear"]
    assert len(kinds) == 3 and all("quantized" in kind for kind in kinds)


def test_names_in_state_dicts_are_those_of_the_network(net):
    before = plain()
    own, old = net.state_dict(), before.state_dict()
    added = {name for name in own if "squeeze_excitation" in name}
    assert own.keys() - added == old.keys() and len(added) == 4
    net.load_state_dict(own)
    missing, unexpected = net.load_state_dict(old, strict=False)
    assert set(missing) == added and not unexpected
    other = plain()
    other.load_state_dict({k: v for k, v in net.state_dict().items() if k not in added})
    place = next(iter(added)).partition(".squeeze")[0]
    insert(other, "se", at(place), reduction=2, example=X)
    other.load_state_dict(net.state_dict())
    assert torch.equal(other(X), net(X))
    assert own._metadata.keys() >= {"0.norm", "0.conv"}


def test_errors_of_loading_use_the_old_names(net):
    state = net.state_dict()
    state["0.norm.weight"] = torch.ones(7)
    state["0.norm.colour"] = state.pop("0.norm.bias")
    with pytest.raises(RuntimeError) as error:
        net.load_state_dict(state)
    assert "host" not in str(error.value)
    for said in ("0.norm.weight", '"0.norm.colour"', '"0.norm.bias"'):
        assert said in str(error.value)
    pickle.dumps(net)


def test_attributes_are_those_of_the_module():
    net = plain()
    insert(net, "se", "norm", reduction=2, example=X)
    norm = net[0].norm
    assert not norm.training and norm.train().training and norm.host.training
    norm.eval()
    assert norm.num_features == 6 and norm.weight is norm.host.weight
    norm.momentum = 0.3
    assert norm.host.momentum == 0.3
    norm.mark = "mine"
    assert not hasattr(norm.host, "mark"), "what it did not have is not passed on"
    with pytest.raises(AttributeError, match="colour"):
        norm.colour  # noqa: B018
    with pytest.raises(ValueError, match=r"'mask' belongs to the module .* use its .host"):
        norm.register_buffer("mask", torch.ones(6))
    prune.l1_unstructured(norm.host, "weight", amount=2)
    assert int((norm.weight == 0).sum()) == 2
    norm.forward = lambda x: 0 * x
    assert not net[0].norm(X[:, :1].expand(-1, 6, -1, -1)).any(), "the module's, the gate follows"
    assert runs(net) == 1


def test_a_module_of_many_parts_keeps_its_length_and_items():
    class Reversed(nn.Sequential):
        def forward(self, x):
            for part in reversed(self):
                x = part(x)
            return x

    net = nn.Sequential(Reversed(nn.ReLU(), nn.Conv2d(3, 6, 1)))
    insert(net, "eca", at("0"), example=X)
    assert len(net[0]) == 2 and isinstance(net[0][1], nn.Conv2d)
    assert [type(part) for part in net[0]] == [nn.ReLU, nn.Conv2d]
    net[0][0] = nn.Sigmoid()
    assert isinstance(net[0].host[0], nn.Sigmoid)


def test_a_part_named_host_is_refused():
    class Holds(Block):
        def __init__(self):
            super().__init__()
            self.host = nn.Identity()

    with pytest.raises(ValueError, match="0 has a part named host, the name that insert needs"):
        insert(nn.Sequential(Holds()), "eca", at("0"), example=X)


def test_it_trains(net):
    net.train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    [mechanism] = mechanisms(net)
    before = mechanism.squash.weight.clone()
    net(X).square().mean().backward()
    optimizer.step()
    assert not torch.equal(mechanism.squash.weight, before)
