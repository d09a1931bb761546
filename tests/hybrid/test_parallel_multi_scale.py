"""What only parallel multi-scale attention promises."""

import pytest
import torch
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.hybrid import ParallelMultiScaleAttention
from tests.references.hybrid import parallel_multi_scale

X = torch.randn(2, 7, 12).double()
PADDING = torch.tensor([[1] * 7, [1, 1, 0, 1, 1, 0, 0]]).bool()


@pytest.fixture
def muse():
    return randomize(
        ParallelMultiScaleAttention(12, heads=3, kernel_sizes=(2, 5), expansion=2)
    ).double()


def silent(muse, *layers):
    """Leave only one of the three terms."""
    for layer in layers:
        for parameter in getattr(muse, layer).parameters():
            torch.nn.init.zeros_(parameter)
    return muse


def test_defaults_are_the_papers():
    muse = ParallelMultiScaleAttention(512)
    assert muse.kernel_sizes == (3, 15) and muse.expand.out_features == 2048
    assert_close(muse.select.softmax(0), torch.full((2,), 0.5))
    assert muse.query_key_value.bias is None and muse.out_attention.bias is None


def test_padding_agrees_with_the_reference(muse):
    """Outputs where tokens are real, one of them behind a gap."""
    expected = parallel_multi_scale(muse, X, PADDING)
    assert_close(muse(X, PADDING)[PADDING], expected[PADDING])


def test_padding_is_read_by_the_convolutions_alone_where_that_is_asked_for():
    """Outputs of real tokens, as the authors' code computes them by default."""
    arguments = dict(kernel_sizes=(2, 5), expansion=2, bias=True, read_padding=True)
    muse = randomize(ParallelMultiScaleAttention(12, heads=3, **arguments)).double()
    expected = parallel_multi_scale(muse, X, PADDING)
    assert_close(muse(X, PADDING)[PADDING], expected[PADDING])
    far = silent(muse, "out_convolution")
    changed = X.masked_fill(PADDING[..., None], 0) * 9 + X
    assert_close(far(changed, PADDING)[PADDING], far(X, PADDING)[PADDING])


def test_a_convolution_reads_its_kernels_reach_and_no_further(muse):
    near = silent(muse, "out_attention", "contract")
    x = X.clone().requires_grad_()
    near(x)[0, 3].sum().backward()
    seen = x.grad[0].abs().sum(-1).nonzero().flatten().tolist()
    assert seen == [1, 2, 3, 4, 5]  # the widest kernel, 5, around token 3


def test_the_feed_forward_term_reads_its_own_token_alone(muse):
    """The pointwise branch, which other code left out."""
    alone = silent(muse, "out_attention", "out_convolution")
    assert_close(alone(X)[:, 2:3], alone(X[:, 2:3]))
    assert alone(X).abs().max() > 0.1


def test_kernels_sum_to_one_and_are_those_that_forward_uses(muse):
    kernel = muse.kernel(X)
    assert_close(kernel.sum(-1), torch.ones(2, 7, 3).double())
    near = silent(muse, "out_attention", "contract")
    value = muse.query_key_value(X)[..., 24:]
    around = torch.nn.functional.pad(value, (0, 0, 2, 2)).unfold(1, 5, 1).unflatten(2, (3, 4))
    gathered = torch.einsum("bnhdt,bnht->bnhd", around, kernel).flatten(-2)
    bias = muse.contract.bias
    assert_close(near(X), muse.out_convolution(gathered) + bias)


def test_a_kernel_is_made_of_a_token_that_is_read(muse):
    """One that is not has the value zero, and so a flat kernel of each size."""
    kernel = muse.kernel(X, PADDING)
    assert_close(kernel[PADDING], muse.kernel(X)[PADDING])
    two, five = muse.select.softmax(dim=0)
    flat = five / 5 + two * torch.tensor([0, 0.5, 0.5, 0, 0]).double()
    assert_close(kernel[~PADDING], flat.expand_as(kernel[~PADDING]))


def test_a_kernel_is_made_from_the_tokens_own_value(muse):
    changed = X.clone()
    changed[:, 3] += 1
    moved = (muse.kernel(changed) - muse.kernel(X)).abs().amax(dim=(0, 2, 3))
    assert moved.nonzero().flatten().tolist() == [3]


def test_scales_are_weighed_by_one_softmax(muse):
    """Equal at the start; a far lead of one leaves that one alone."""
    muse.select.data = torch.tensor([0.0, 100.0]).double()
    kernel = muse.kernel(X)
    alone = muse.kernels[1](muse.query_key_value(X)[..., 24:]).view(2, 7, 3, 5).softmax(-1)
    assert_close(kernel, alone)
    muse.select.data = torch.tensor([100.0, 0.0]).double()
    assert muse.kernel(X)[..., [0, 3, 4]].abs().max() < 1e-9, "2 taps: the token, and one before"


def test_answers_do_not_drift(muse):
    """The fault of others: weights that were normalised again, in place, at every call."""
    before = {name: p.clone() for name, p in muse.named_parameters()}
    first = [muse(X) for _ in range(3)]
    assert torch.equal(first[0], first[2])
    assert all(torch.equal(before[name], p) for name, p in muse.named_parameters())


def test_a_single_scale_has_nothing_to_choose():
    muse = ParallelMultiScaleAttention(12, heads=3, kernel_sizes=[4])
    assert muse.select is None and muse.kernel_sizes == (4,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(dim=12, heads=5), "dim=12 must be a multiple of heads=5"),
        (dict(dim=0), "dim=0 must be at least 1"),
        (dict(dim=12, heads=0), "heads=0 must be at least 1"),
        (dict(dim=16, expansion=0), "expansion=0 must be at least 1"),
        (
            dict(dim=16, kernel_sizes=(1, 3)),
            r"kernel_sizes=\(1, 3\) must be at least 2",
        ),
        (dict(dim=16, kernel_sizes=()), r"kernel_sizes=\(\) must be at least 2"),
    ],
)
def test_what_cannot_work_is_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        ParallelMultiScaleAttention(**arguments)
    smallest = ParallelMultiScaleAttention(1, heads=1, kernel_sizes=(2,), expansion=1)
    assert smallest(torch.randn(1, 1, 1)).isfinite().all()
