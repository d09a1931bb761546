"""A pass that leaves a module as it was, and what it counts."""

import threading

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor

from attention_lib.measure.cost import live_bytes, measure
from attention_lib.measure.trace import trace_copy, trace_fake


class Keeps(nn.Module):
    """Stores what it computes on itself, in a dictionary, a list and a buffer."""

    def __init__(self):
        super().__init__()
        self.conv = nn.utils.weight_norm(nn.Conv2d(3, 4, 1))
        self.spectral = nn.utils.parametrizations.spectral_norm(nn.Linear(4, 4))
        self.grid, self.last, self.cache, self.all = torch.ones(4, 1, 1), None, {}, []
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, x):
        self.last = self.cache[x.shape] = self.conv(x) * self.grid
        self.all.append(self.last)
        self.steps += 1
        return self.spectral(self.last.mean((2, 3)))


@pytest.fixture
def keeps():
    with pytest.warns(FutureWarning, match="weight_norm"):
        return Keeps().requires_grad_(False)


@pytest.mark.parametrize("trace", [trace_fake, trace_copy])
@pytest.mark.parametrize("ran", [False, True])
def test_the_module_is_left_as_it_was(keeps, trace, ran):
    x = torch.randn(2, 3, 5, 7)
    if ran:
        keeps(x)
    state, random = state_of(keeps), torch.get_rng_state()
    answer = trace(keeps, x)
    assert state_of(keeps) == state
    assert torch.equal(torch.get_rng_state(), random) and keeps.training
    assert answer.shape == (2, 4) and isinstance(answer, FakeTensor) == (trace is trace_fake)
    if trace is trace_copy:
        assert torch.equal(answer, keeps.eval()(x))


def state_of(keeps):
    """Which objects hang on the module, and what is in them."""
    held = {n: {k: id(v) for k, v in vars(part).items()} for n, part in keeps.named_modules()}
    held[""]["training"] = keeps.training
    inside = {k: id(v) for k, v in keeps.cache.items()}, list(map(id, keeps.all))
    return held, inside, keeps.steps.item()


def test_what_cannot_be_copied_is_shared():
    net = nn.Sequential(Computes(doubled), nn.Linear(3, 4))
    net[1].lock = threading.Lock()
    assert trace_fake(net, torch.empty(2, 3)).shape == (2, 4)
    x = torch.randn(2, 3)
    assert torch.equal(trace_copy(net, x), net(x))


def test_a_pass_takes_named_arguments_and_any_device():
    bilinear = nn.Bilinear(3, 4, 5).to("meta")
    answer = trace_fake(bilinear, torch.empty(2, 3), named=dict(input2=torch.empty(2, 4)))
    assert answer.shape == (2, 5) and answer.device.type == "cpu"


def test_a_path_that_depends_on_numbers_is_named():
    class Looks(nn.Module):
        def forward(self, x):
            return x / 255 if x.max() > 1 else x

    with pytest.raises(TypeError, match="what is traced must be a module, got 'se'"):
        measure("se", torch.ones(3))
    with pytest.raises(ValueError, match="Looks looks at numbers, which a pass on shapes has not"):
        measure(Looks(), torch.ones(3))


def test_the_copy_is_not_compiled():
    torch._dynamo.reset()
    compilations = []

    def backend(graph, example):
        compilations.append(graph)
        return graph

    net, x = Computes(lambda x: x @ x.T), torch.randn(2, 3)
    net.compile(backend=backend)
    assert trace_fake(net, x).shape == (2, 2)
    assert measure(torch.compile(net, backend=backend), x).macs == 12 and not compilations
    net(x)
    assert compilations


# ---- counts --------------------------------------------------------------------------------------


class Computes(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


N, D, F = 8, 16, 32  # tokens, features, features of the feed-forward part
ATTENTION = 4 * N * D * D + 2 * N * N * D


@pytest.mark.parametrize(
    ("module", "shapes", "macs"),
    [
        (
            nn.TransformerEncoderLayer(D, 2, F, batch_first=True),
            [(1, N, D)],
            ATTENTION + 2 * N * D * F,
        ),
        (nn.MultiheadAttention(D, 2, batch_first=True), [(1, N, D)] * 3, ATTENTION),
        (nn.LSTM(4, 5, batch_first=True), [(2, 7, 4)], 2 * 7 * (4 * 5 * 4 + 4 * 5 * 5)),
        (nn.GRU(4, 5), [(7, 2, 4)], 2 * 7 * (3 * 5 * 4 + 3 * 5 * 5)),
        (Computes(torch.matmul), [(6, 7), (7,)], 42),
        (Computes(torch.dot), [(7,), (7,)], 7),
        (Computes(torch.addmv), [(6,), (6, 7), (7,)], 42),
        (Computes(lambda a, b: torch.einsum("bij,bkj->bik", a, b)), [(2, 3, 5), (2, 4, 5)], 120),
        (Computes(nn.functional.scaled_dot_product_attention), [(1, 2, N, 4)] * 3, 2 * 2 * 64 * 4),
    ],
)
def test_products_are_counted(module, shapes, macs):
    """By hand; an encoder layer and an LSTM would be one fused operation each, counted as 0."""
    cost = measure(module, *(torch.empty(shape) for shape in shapes))
    assert cost.macs == macs and not cost.uncounted


@torch.library.custom_op("attention_lib_tests::doubled", mutates_args=())
def doubled(x: torch.Tensor) -> torch.Tensor:
    """Somebody's own kernel."""
    return 2 * x


@doubled.register_fake
def _(x):
    return torch.empty_like(x)


@pytest.mark.parametrize(
    ("module", "shapes", "named"),
    [
        (Computes(torch.fft.rfft2), [(6, 8)], "aten._fft_r2c"),
        (Computes(torch.cdist), [(6, 7), (5, 7)], "aten._cdist_forward"),
        (Computes(torch.linalg.inv), [(5, 5)], "aten.linalg_inv_ex"),
        (Computes(torch.linalg.svd), [(5, 5)], "aten._linalg_svd"),
        (nn.Bilinear(3, 4, 5), [(2, 3), (2, 4)], "aten._trilinear"),
        (Computes(doubled), [(2, 3)], "attention_lib_tests.doubled"),
    ],
)
def test_products_that_cannot_be_counted_are_named(module, shapes, named):
    assert named in measure(module, *(torch.empty(shape) for shape in shapes)).uncounted


def test_gradients_are_alive_at_the_end_of_a_pass_with_them():
    linear, x = nn.Linear(3, 4, bias=False), torch.empty(2, 3)
    assert live_bytes(linear, x) == 4 * 2 * 4
    # the answer, its gradient, that of the weight and that of the input
    assert live_bytes(linear, x, backward=True) >= 4 * (2 * 4 + 3 * 4 + 2 * 3)
