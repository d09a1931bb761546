"""What only the global filter promises."""

import warnings
from math import pi

import pytest
import torch
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.mixing import GlobalFilter

SIZES = [(7, 5), (4, 8), (1, 6), (6, 1), (2, 2), (1, 1)]


def make(channels=3, table_height=7, table_width=5):
    return randomize(GlobalFilter(channels, table_height, table_width)).double()


def test_defaults_are_the_papers():
    mix = GlobalFilter(384)
    assert mix.filter.shape == (2, 384, 14, 14 // 2 + 1)
    assert 0.0195 < mix.filter.std() < 0.0205


@pytest.mark.parametrize("name", ["channels", "table_height", "table_width"])
@pytest.mark.parametrize("number", [0, -1])
def test_a_number_below_one_is_refused_by_name(name, number):
    with pytest.raises(ValueError, match=f"{name}={number} must be at least 1"):
        make(**{name: number})
    assert GlobalFilter(1, 1, 1).filter.shape == (2, 1, 1, 1)


@pytest.mark.parametrize("size", SIZES)
def test_factors_of_one_change_nothing(size):
    """Nor where they are interpolated, on even and odd, wide and narrow maps."""
    mix = make()
    mix.filter.data[0], mix.filter.data[1] = 1, 0
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    assert_close(mix(x), x)


@pytest.mark.parametrize("size", SIZES)
def test_it_is_a_convolution_with_its_kernel_round_the_edges(size):
    mix = make()
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    kernel, y = mix.kernel(x), torch.zeros_like(x)
    for i in range(size[0]):
        for j in range(size[1]):
            y += kernel[:, i, j, None, None] * x.roll((i, j), (2, 3))
    assert_close(mix(x), y)


def test_a_channel_keeps_to_itself():
    mix = make()
    x = torch.zeros(1, 3, 7, 5, dtype=torch.float64)
    x[0, 1] = torch.randn(7, 5)
    assert mix(x)[0, [0, 2]].abs().max() == 0 and mix(x)[0, 1].abs().min() > 0


@pytest.mark.parametrize(("down", "right"), [(1, 0), (0, 1), (2, 3)])
def test_turned_phases_move_the_map_down_and_to_the_right(down, right):
    mix = make(1)
    u, v = torch.arange(7.0).double()[:, None], torch.arange(3.0).double()
    angle = -2 * pi * (u * down / 7 + v * right / 5)
    mix.filter.data = torch.stack([angle.cos(), angle.sin()])[:, None]
    x = torch.randn(2, 1, 7, 5, dtype=torch.float64)
    assert_close(mix(x), x.roll((down, right), (2, 3)))


def test_a_map_of_the_filters_own_size_meets_the_factors_as_they_are():
    mix = make()
    factors = torch.complex(*mix.filter)
    x = torch.randn(2, 3, 7, 5, dtype=torch.float64)
    assert_close(mix.kernel(x), torch.fft.irfft2(factors, s=(7, 5)))


@pytest.mark.parametrize("size", SIZES)
def test_the_mean_is_multiplied_by_the_first_factor_at_every_size(size):
    """The lowest frequency is the first entry, and the first stays the first."""
    mix = make()
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    assert_close(mix(x).mean(dim=(2, 3)), mix.filter[0, :, 0, 0] * x.mean(dim=(2, 3)))


def test_between_two_rows_of_the_filter_lies_their_mean():
    mix = make(1, 2, 1)
    mix.filter.data = torch.tensor([[[[2.0], [4]]], [[[0], [0]]]]).double()
    impulse = torch.zeros(1, 1, 3, 1, dtype=torch.float64)
    impulse[0, 0, 0] = 1
    factors = torch.tensor([2.0, 3, 4], dtype=torch.float64)
    assert_close(mix(impulse)[0, 0, :, 0], torch.fft.ifft(factors).real)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_is_transformed_in_float32(dtype):
    """So the only loss is that of writing down the weights, the map and the answer."""
    low = randomize(GlobalFilter(3, 7, 5)).to(dtype)
    single = GlobalFilter(3, 7, 5)
    single.load_state_dict(low.state_dict())
    x = torch.randn(2, 3, 7, 5).to(dtype)
    assert_close(low(x), single(x.float()).to(dtype), rtol=0, atol=0)
    assert_close(low.kernel(x), single.kernel(x.float()).to(dtype), rtol=0, atol=0)


def test_float64_stays_float64():
    """A large and a small wave: in float32 the small one would drown."""
    mix = make(1)
    mix.filter.data[0], mix.filter.data[1] = 1, 0
    x = torch.ones(1, 1, 7, 5, dtype=torch.float64)
    x[0, 0, 3, 2] += 1e-12
    assert mix(x).flatten().argmax() == 17 and mix.kernel(x).dtype == torch.float64


def test_nothing_comes_out_where_nothing_goes_in():
    x = torch.randn(0, 3, 7, 5, dtype=torch.float64)
    y = make()(x)
    assert y.shape == x.shape and y is not x


@pytest.mark.slow
@pytest.mark.parametrize("size", [(7, 5), (4, 6)])
def test_with_a_fixed_height_and_width_it_runs_as_an_onnx_file(size):
    from onnxruntime import InferenceSession

    mix = make().float().eval()
    x = torch.randn(2, 3, *size)
    free = ({0: torch.export.Dim.DYNAMIC},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own affairs
        program = torch.onnx.export(mix, (x,), dynamo=True, dynamic_shapes=free, verbose=False)
    session = InferenceSession(program.model_proto.SerializeToString())
    for batch in (2, 5):
        x = torch.randn(batch, 3, *size)
        [answer] = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        assert_close(torch.from_numpy(answer), mix(x).detach(), rtol=1e-4, atol=1e-5)
