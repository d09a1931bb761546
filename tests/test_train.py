"""The small models learn what the book says of them, and the same thing each time."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attention_lib.channel import PyramidSplitAttention, SelectiveKernel, SqueezeExcitation
from attention_lib.teaching import data, denoise, nets, train


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def small(seed: int = 0, **arguments) -> nets.SmallNet:
    torch.manual_seed(seed)
    return nets.SmallNet(2, **arguments)


def test_attention_stands_where_it_is_asked_for():
    for after in ((), (1,), (2,), (1, 2)):
        net = small(attention=lambda c: SqueezeExcitation(c, reduction=4), after=after)
        assert isinstance(net.attention1, SqueezeExcitation) == (1 in after)
        assert isinstance(net.attention2, SqueezeExcitation) == (2 in after)
        assert net(torch.rand(2, 3, 17, 23)).shape == (2, 2)
    with pytest.raises(ValueError, match="3"):
        small(after=(3,))


def seen(net: nets.SmallNet, size: int = 65) -> int:
    """How many columns one place of the last map depends on, measured by its gradient."""
    image = torch.rand(1, 3, size, size, requires_grad=True)
    last = net.eval().mix(net.attention2(net.seen(image)))
    last[0, :, last.shape[2] // 2, last.shape[3] // 2].sum().backward()
    columns = image.grad.abs().sum(dim=(0, 1, 2)).nonzero()
    return (columns.max() - columns.min() + 1).item()


@pytest.mark.parametrize("kernel", [None, 5, 9])
def test_reach_is_what_the_gradient_says(kernel):
    attention = kernel and (lambda c: nn.Conv2d(c, c, kernel, padding=kernel // 2))
    net = small(attention=attention)
    for layer in net.modules():  # no ReLU, so that nothing is hidden by chance
        if isinstance(layer, nn.Sequential) and isinstance(layer[-1], nn.ReLU):
            layer[-1] = nn.Identity()
    assert nets.receptive_field(net) == seen(net)


def test_reach_counts_the_widest_branch():
    assert nets.receptive_field(small()) == 13
    assert nets.receptive_field(small(attention=SelectiveKernel)) == 29
    assert nets.receptive_field(small(attention=PyramidSplitAttention)) == 45


def test_the_same_seed_trains_the_same_model():
    scenes = data.local_marker(64, seed=0)

    def trained(seed):
        return weights(train.fit(small(), scenes, steps=10, batch=16, seed=seed))

    scenes = scenes._replace(labels=scenes.labels % 2)
    assert torch.equal(trained(0), trained(0))
    assert not torch.equal(trained(0), trained(1))


def test_fit_takes_each_scene_once_before_any_twice():
    seen = []

    class Recorder(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, x):
            seen.extend(x[:, 0].tolist())
            return self.scale * x

    numbers = torch.arange(20.0)[:, None]
    told = []
    model = train.fit(
        Recorder(), (numbers, numbers), steps=10, batch=4, loss=F.mse_loss,
        progress=lambda step, loss: told.append((step, loss)),
    )  # fmt: skip
    assert sorted(seen) == sorted(2 * list(range(20)))
    assert sorted(seen[:20]) == list(range(20))
    assert [step for step, _ in told] == list(range(1, 11))
    assert not model.training


def test_too_few_steps_are_refused():
    with pytest.raises(ValueError, match="steps=9"):
        train.fit(small(), data.channel_cue(16, seed=0), steps=9)


def test_accuracy_counts_right_answers():
    scores = torch.eye(4)
    model = nn.Linear(4, 4, bias=False)
    nn.init.eye_(model.weight)
    assert train.accuracy(model, (scores, torch.tensor([0, 1, 2, 0])), batch=3) == 0.75


def test_average_precision_by_hand():
    """Class 1: of three with it, at places 1, 3 and 4. Class 2: the one with it comes last."""
    scores = torch.tensor([[0.9, 0.4], [0.8, 0.3], [0.7, 0.2], [0.6, 0.1]])
    labels = torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    by_hand = ((1 + 2 / 3 + 3 / 4) / 3 + 1 / 4) / 2
    assert train.average_precision(scores, labels) == pytest.approx(by_hand)


def test_a_tagging_net_takes_a_head_or_has_a_mean():
    images = torch.rand(2, 3, 32, 32)
    plain = nets.TaggingNet(classes=4)
    assert plain(images).shape == (2, 4) and plain.seen(images).shape == (2, 32, 8, 8)
    torch.testing.assert_close(plain(images), plain.head[2](plain.seen(images).mean(dim=(2, 3))))
    made = []
    nets.TaggingNet(lambda channels: made.append(channels) or nn.Flatten())
    assert made == [32]


def test_a_gate_reads_the_cue_and_no_gate_does_not():
    """The chapter's claim, at the price of a few seconds: beyond the noise, on unseen digits."""
    training = data.channel_cue(8000, seed=1)
    test = data.channel_cue(1000, seed=2, split="test")
    steps = train.PRESETS["ci"].steps // 2
    plain = train.fit(small(), training, steps, batch=32)
    gated = small(attention=lambda channels: SqueezeExcitation(channels, reduction=4))
    gated = train.fit(gated, training, steps, batch=32)
    assert 0.70 < train.accuracy(plain, test) < 0.82
    assert train.accuracy(gated, test) > 0.95
    with torch.inference_mode():
        gates = gated.attention2.gate(gated.seen(test.images))
    by_cue = [gates[test.parts["cue"] == cue].mean(dim=0) for cue in (0, 1)]
    assert (by_cue[0] - by_cue[1]).abs().max() > 0.5


def test_bands_add_up_to_the_picture():
    images = data.noisy_crops(3, seed=0).noisy
    open_gates = denoise.Denoiser(lambda channels: nn.Identity())
    torch.testing.assert_close(open_gates(images), images)
    assert open_gates.bands(images).shape == (3, len(denoise.BANDS), 32, 32)


def test_a_grey_picture_has_no_colour_and_an_even_one_no_detail():
    denoiser = denoise.Denoiser()
    grey = torch.rand(1, 1, 24, 24).expand(1, 3, 24, 24)
    for name, band in zip(denoise.BANDS, denoiser.bands(grey)[0], strict=True):
        assert (band.abs().max() > 1e-4) == name.endswith("brightness"), name
    even = torch.tensor([0.8, 0.5, 0.1])[None, :, None, None].expand(1, 3, 24, 24)
    for name, band in zip(denoise.BANDS, denoiser.bands(even)[0], strict=True):
        assert (band.abs().max() > 1e-4) == name.startswith("coarse"), name


def test_gates_close_on_the_finest_detail_as_noise_grows():
    torch.manual_seed(0)
    training = data.noisy_crops(2000, seed=1, size=24)
    model = denoise.Denoiser(lambda channels: SqueezeExcitation(channels, reduction=1))
    train.fit(model, training, steps=300, lr=0.1, loss=F.mse_loss)
    finest, coarse = (
        denoise.BANDS.index("finest brightness"),
        denoise.BANDS.index("coarse brightness"),
    )
    with torch.inference_mode():
        gates = [
            model.gates(data.noisy_crops(200, 3, "test", noise).noisy).mean(dim=0)
            for noise in (0.0, 0.1, 0.3)
        ]
    assert gates[0][finest] > gates[1][finest] > gates[2][finest]
    assert gates[2][finest] < 0.1
    assert gates[2][coarse] > 0.9


def test_signal_to_noise():
    truth = torch.zeros(2, 3, 4, 4)
    answer = truth + torch.tensor([0.1, 1.0])[:, None, None, None]
    torch.testing.assert_close(denoise.psnr(answer, truth), torch.tensor([20.0, 0.0]))
