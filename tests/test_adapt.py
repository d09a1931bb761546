"""Mechanisms in the other layout, and in networks that other people wrote."""

import pickle
from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_lib.adapt import insert, on_maps, on_tokens
from attention_lib.catalog import catalog, create
from attention_lib.checks import randomize, ready
from attention_lib.measure.cost import measure
from tests.oracles import torchvision_ops  # noqa: F401  (before torchvision and timm)

HEIGHT, WIDTH = 7, 5


def network(depth: int = 2) -> nn.Sequential:
    blocks = [nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.ReLU()) for _ in range(depth)]
    return nn.Sequential(nn.Conv2d(3, 6, 1), *blocks).double()


PICTURE = torch.randn(2, 3, HEIGHT, WIDTH).double()


@pytest.mark.parametrize("card", catalog(), ids=str)
def test_every_mechanism_takes_either_layout(card):
    mechanism, [x, *rest] = ready(card)
    expected = mechanism(x, *rest)
    if card.layout == "maps":
        height, width = x.shape[-2:]
        tokens = x.flatten(2).transpose(1, 2)
        answer = on_tokens(mechanism, height, width)(tokens)
        if expected.dim() == 4:
            answer = answer.transpose(1, 2).reshape(expected.shape)
        assert on_maps(mechanism) is mechanism
    else:
        height, width = rest if rest else (1, x.shape[1])
        maps = x.transpose(1, 2).reshape(len(x), -1, height, width)
        answer = on_maps(mechanism)(maps).flatten(2).transpose(1, 2)
        assert_close(on_tokens(mechanism, height, width)(x), expected)
    assert_close(answer, expected)


def test_pixels_are_tokens_row_by_row():
    causal = randomize(create("mha", dim=6, heads=2, causal=True)).double()
    x = torch.randn(1, 6, HEIGHT, WIDTH).double()
    changed = x.clone()
    changed[..., 2, 3] += 1  # place 13 of 35
    moved = (on_maps(causal)(changed) - on_maps(causal)(x))[0].abs().sum(0).flatten().nonzero()
    assert moved.min() == 2 * WIDTH + 3 and len(moved) == HEIGHT * WIDTH - 13


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: on_tokens(create("eca", channels=6), 0, 5), "height=0 and width=5 must be at lea"),
        (
            lambda: on_tokens(create("eca", channels=6), 7, 5)(torch.randn(2, 36, 6)),
            r"x must be \(batch=2, tokens=35, dim\), got \(2, 36, 6\)",
        ),
        (
            lambda: on_maps(create("mha", dim=8))(torch.randn(2, 36, 8)),
            r"x must be \(batch, channels, height, width\), got",
        ),
    ],
)
def test_what_does_not_fit_an_adapter_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ---- insert --------------------------------------------------------------------------------------


def test_what_is_inserted_is_applied_where_it_says():
    plain = network()
    plugged = deepcopy(plain)
    placed = insert(plugged, "se", "*.0", reduction=2, example=PICTURE)
    assert [place.name for place in placed] == [
        "1.0.squeeze_excitation",
        "2.0.squeeze_excitation",
    ]
    assert [place[1:4] for place in placed] == [(6, HEIGHT, WIDTH)] * 2
    assert str(placed[0]) == "1.0.squeeze_excitation: SqueezeExcitation on 6 × 7 × 5"
    x = plain[0](PICTURE)
    for block, place in zip(plain[1:], placed, strict=True):
        x = block[1](place.mechanism(block[0](x)))
    assert_close(plugged(PICTURE), x)


def test_no_name_of_the_network_changes():
    plain, plugged = network(), network()
    insert(plugged, "se", nn.Conv2d, reduction=2, example=PICTURE)
    missing, unexpected = plugged.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected and all("squeeze_excitation" in name for name in missing)


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("1", ["1", "1.1", "2.1"]),
        ("2.1", ["2.1"]),
        ("*.1", ["1.1", "2.1"]),
        ("[12]", ["1", "1.1", "2", "2.1"]),
        (nn.ReLU, ["1.1", "2.1"]),
        (lambda name, module: len(name) == 1 and name > "0", ["1", "2"]),
    ],
)
def test_where_is_the_end_of_a_name_or_a_type_or_a_function(where, names):
    placed = insert(network(), "eca", where, example=PICTURE)
    assert [place.name.removesuffix(".efficient_channel") for place in placed] == names


def test_a_block_that_is_a_sequence_runs_it_once():
    plain = network(1)
    plugged = deepcopy(plain)
    [place] = insert(plugged, "se", lambda name, _: name == "1", reduction=2, example=PICTURE)
    assert_close(plugged(PICTURE), place.mechanism(plain(PICTURE)))


def test_a_mechanism_on_tokens_is_inserted_on_pixels():
    plain = network(1)
    plugged = deepcopy(plain)
    [place] = insert(plugged, "mha", "1.1", heads=2, example=PICTURE)
    assert place.mechanism.mechanism.dim == 6
    assert_close(plugged(PICTURE), place.mechanism(plain(PICTURE)))


def test_it_joins_the_network_in_device_precision_and_mode():
    net = network().eval().requires_grad_(False)
    net[1][0].train()
    first, second = insert(net, "se", "*.0", reduction=2, example=PICTURE)
    assert first.mechanism.squash.weight.dtype == torch.float64
    assert first.mechanism.training and not second.mechanism.training
    assert not net.training and net[1][0].training, "looking changes no mode"
    meta = network().to("meta")
    [place] = insert(meta, "se", "1.0", reduction=2, example=PICTURE)
    assert place.mechanism.squash.weight.is_meta


def test_a_network_with_insertions_travels_and_compiles():
    net = network().eval()
    insert(net, "se", "*.0", reduction=2, example=PICTURE)
    expected = net(PICTURE)
    for other in (deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(other(PICTURE), expected)
    torch._dynamo.reset()
    assert_close(torch.compile(net, backend="eager", fullgraph=True)(PICTURE), expected)
    assert_close(torch.export.export(net, (PICTURE,)).module()(PICTURE), expected)


class TwoSizes(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.unused = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return self.conv(x).flatten(1), self.conv(x[..., ::2])


@pytest.mark.parametrize(
    ("net", "arguments", "message"),
    [
        (network(), dict(where="bn3"), "where='bn3' fits no module of Sequential"),
        (network(), dict(where="1.0", reduction=7), "reduction=7 must be between 1 and channels="),
        (network(), dict(where="1.0", ratio=7), "'ratio'; it is SqueezeExcitation"),
        (nn.Sequential(nn.Flatten()), dict(where=nn.Flatten), r"0 gives \(2, 105\), not a map"),
        (nn.Sequential(TwoSizes()), dict(where="0"), "0 gives tuple, not a map"),
        (TwoSizes(), dict(where="conv"), r"conv gives maps of \(3, 7, 5\) and of \(3, 7, 3\)"),
        (TwoSizes(), dict(where="unused"), "the example does not reach unused"),
    ],
)
def test_what_cannot_be_inserted_is_named_and_nothing_is_changed(net, arguments, message):
    net = net.double()
    before = [name for name, _ in net.named_modules()]
    with pytest.raises((ValueError, TypeError), match=message):
        insert(net, "se", **arguments, example=PICTURE)
    assert [name for name, _ in net.named_modules()] == before
    assert not any(module._forward_hooks for module in net.modules())


def test_the_same_place_is_not_taken_twice():
    net = network()
    insert(net, "se", "1.0", reduction=2, example=PICTURE)
    with pytest.raises(ValueError, match=r"1\.0 has a squeeze_excitation already"):
        insert(net, "se", "1.0", reduction=2, example=PICTURE)
    insert(net, "eca", "1.0", example=PICTURE)


@pytest.mark.parametrize("card", [c for c in catalog("linear") if c.layout == "maps"], ids=str)
def test_a_file_named_as_a_method_of_modules_gets_another_name(card):
    net = nn.Sequential(nn.Conv2d(3, 32, 1))
    [place] = insert(net, str(card), "0", example=PICTURE.float())
    assert net.get_submodule(place.name) is place.mechanism
    assert net.double().get_submodule(place.name) is place.mechanism


def test_a_classifier_head_goes_into_no_network():
    heads = [c for c in catalog() if "classes" in c.shapes["return"]]
    for card in heads:
        with pytest.raises(ValueError, match=f"{card} gives"):
            insert(network(), str(card), "1.0", example=PICTURE)


# ---- ResNet-50, counted --------------------------------------------------------------------------


def resnet50(stride_in: str) -> nn.Module:
    """The network on the meta device, with the stride of a stage in its 1×1 or its 3×3."""
    from torchvision.models import resnet50

    with torch.device("meta"):
        made = resnet50()
    modules = dict(made.named_modules())
    for name, module in modules.items():
        if stride_in == "1x1" and name.endswith("conv2") and module.stride == (2, 2):
            module.stride, modules[name.replace("conv2", "conv1")].stride = (1, 1), (2, 2)
    return made


def counted(stride_in: str, insertions: list[tuple[str, str, dict]]) -> tuple[int, str]:
    net = resnet50(stride_in)
    placed = [p for name, where, more in insertions for p in insert(net, name, where, **more)]
    assert len(placed) in (0, 16), "one for each residual block"
    cost = measure(net, torch.empty(1, 3, 224, 224, device="meta"))
    return cost.params, f"{cost.macs / 1e9:.4f}"


ECA = [("eca", f"layer{i}.*.bn3", dict(kernel_size=k)) for i, k in enumerate((3, 5, 5, 7), 1)]


@pytest.mark.parametrize(
    ("insertions", "params", "macs"),
    [
        ([], 25_557_032, ("3.8580", "4.0892")),
        ([("se", "bn3", {})], 28_088_024, ("3.8605", "4.0917")),
        ([("cbam", "bn3", {})], 28_089_624, ("3.8644", "4.0956")),
        (ECA, 25_557_112, ("3.8581", "4.0893")),
    ],
    ids=["plain", "se", "cbam", "eca"],
)
def test_resnet50_counts(insertions, params, macs):
    """The figures of the chapter, digit for digit: parameters, and billions of multiply-adds."""
    for stride_in, billions in zip(("1x1", "3x3"), macs, strict=True):
        assert counted(stride_in, insertions) == (params, billions)


def test_a_type_of_block_works_as_well_in_timm():
    import timm
    from timm.models.resnet import Bottleneck

    with torch.device("meta"):
        net = timm.create_model("resnet50")
    placed = insert(net, "se", Bottleneck)
    assert len(placed) == 16 and placed[-1][1:4] == (2048, 7, 7)
    assert measure(net, torch.empty(1, 3, 224, 224, device="meta")).params == 28_088_024


def test_arguments_come_from_what_is_there_unless_they_are_given():
    [place] = insert(network(), "sk", "1.0", groups=2, min_hidden=3, example=PICTURE)
    assert place.mechanism.channels == 6 and place.mechanism.hidden == 3
