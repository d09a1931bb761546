"""What only the MobileViT block promises."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_lib.checks import randomize
from attention_lib.core.resize import resize
from attention_lib.hybrid import MobileViTBlock
from attention_lib.measure.cost import measure
from tests.support.proof import largest_tensor


@pytest.fixture
def block():
    return randomize(MobileViTBlock(5, 6, heads=2)).double().eval()


def pixelwise(block):
    """The block without its k × k convolutions, so that attention alone carries news afar."""
    with torch.no_grad():
        for conv in (block.near[0], block.fuse[0]):
            kept = conv.weight[:, :, 1, 1].clone()
            conv.weight.zero_()[:, :, 1, 1] = kept
    return block


def reached(block, x, row, column):
    """Where the answer changes, as (row, column), if this pixel does."""
    changed = x.clone()
    changed[:, :, row, column] += 1
    return {tuple(p) for p in (block(changed) != block(x)).any(dim=(0, 1)).nonzero().tolist()}


def test_defaults_are_the_papers():
    block = MobileViTBlock(96, 144)
    assert len(block.layers) == 2 and {layer.heads for layer in block.layers} == {4}
    assert block.patch_size == 2
    assert block.near[0].kernel_size == block.fuse[0].kernel_size == (3, 3)
    assert block.layers[0].feed[1].out_features == 2 * 144


def test_a_pixel_attends_to_the_pixels_at_its_place_in_all_patches(block):
    x = torch.randn(1, 5, 6, 4).double()
    found = reached(pixelwise(block), x, 3, 2)
    assert found == {(i, j) for i in range(1, 6, 2) for j in range(0, 4, 2)}


def test_with_its_convolutions_a_pixel_reaches_every_other(block):
    x = torch.randn(1, 5, 6, 4).double()
    assert reached(block, x, 3, 2) == {(i, j) for i in range(6) for j in range(4)}


def test_patches_keep_their_places(block):
    """Shuffling whole patches shuffles the answer: nothing but the convolutions knows an order."""
    x = torch.randn(2, 5, 4, 6).double()
    pixelwise(block)

    def shuffled(x):
        order = torch.tensor([4, 2, 0, 5, 1, 3])
        flat = x.unflatten(-2, (2, 2)).unflatten(-1, (3, 2)).permute(0, 1, 2, 4, 3, 5)
        flat = flat.flatten(2, 3)[:, :, order].unflatten(2, (2, 3))
        return flat.permute(0, 1, 2, 4, 3, 5).flatten(4, 5).flatten(2, 3)

    assert_close(block(shuffled(x)), shuffled(block(x)))


def test_where_patches_tile_the_map_nothing_is_resized(block, monkeypatch):
    x = torch.randn(2, 5, 4, 6).double()
    expected = block(x)
    monkeypatch.setattr(nn.functional, "interpolate", lambda x, size, mode: x)
    assert torch.equal(block(x), expected)


@pytest.mark.parametrize(("height", "width"), [(7, 6), (6, 7), (1, 9)])
def test_a_map_that_patches_do_not_tile_is_resized_and_back(block, height, width):
    x = torch.randn(2, 5, height, width).double()
    wanted = [height + height % 2, width + width % 2]
    near = nn.functional.interpolate(block.near(x), wanted, mode="bilinear")
    tokens = near.unfold(2, 2, 2).unfold(3, 2, 2).permute(0, 4, 5, 2, 3, 1)
    answers = block.norm(block.layers(tokens.flatten(3, 4).flatten(0, 2))).view(tokens.shape)
    far = answers.permute(0, 5, 3, 1, 4, 2).flatten(4, 5).flatten(2, 3)
    far = nn.functional.interpolate(far, (height, width), mode="bilinear")
    assert_close(block(x), block.fuse(torch.cat([x, block.far(far)], dim=1)))


def test_a_plain_map_comes_back_from_resizing_unharmed(block):
    """Every pixel alike: resizing finds nothing to blur, and odd sizes answer like even ones."""
    pixelwise(block)
    pixel = torch.randn(2, 5, 1, 1).double()
    assert_close(block(pixel.expand(-1, -1, 7, 5)), block(pixel.expand(-1, -1, 8, 6))[..., :7, :5])


def test_normalisations_and_their_places(block):
    """BN and SiLU after both convolutions and the projection back, LN after the last layer."""
    for stage in (block.near[:3], block.far, block.fuse):
        assert [type(part) for part in stage] == [nn.Conv2d, nn.BatchNorm2d, nn.SiLU]
        assert stage[0].bias is None
    assert type(block.near[3]) is nn.Conv2d and len(block.near) == 4
    seen = []
    block.far.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    block.norm.reset_parameters()
    block(torch.randn(2, 5, 4, 6).double() * 100)
    assert_close(seen[0].mean(dim=1), torch.zeros(2, 4, 6).double())


def test_weights_are_those_that_the_layers_use(block):
    x = torch.randn(2, 5, 7, 6).double()
    weights = block.weights(x)
    assert weights.shape == (2, 2, 4, 2, 4 * 3, 4 * 3)
    assert_close(weights.sum(dim=-1), torch.ones(2, 2, 4, 2, 12).double())
    tokens = block._unfold(x)
    for i, layer in enumerate(block.layers):
        value = layer.query_key_value(layer.norm(tokens))[..., 12:].unflatten(-1, (2, 3))
        gathered = weights[:, i].flatten(0, 1) @ value.transpose(1, 2)
        half = tokens + layer.out(gathered.transpose(1, 2).flatten(2))
        assert_close(half + layer.feed(half), layer(tokens))
        tokens = layer(tokens)


def test_no_pair_of_patches_is_stored():
    block = MobileViTBlock(4, 8)
    small, large = (torch.empty(1, 4, side, side, device="meta") for side in (64, 1024))
    assert measure(block, large).memory == 256 * measure(block, small).memory


@pytest.mark.parametrize("name", ["channels", "dim", "depth", "heads", "patch_size"])
@pytest.mark.parametrize("number", [0, -1])
def test_a_number_below_one_is_refused_by_name(name, number):
    arguments = {"channels": 4, "dim": 8, name: number}
    with pytest.raises(ValueError, match=f"{name}={number} must be at least 1"):
        MobileViTBlock(**arguments)


@pytest.mark.parametrize("kernel_size", [-1, 0, 2])
def test_kernels_are_odd(kernel_size):
    with pytest.raises(ValueError, match=f"kernel_size={kernel_size} must be odd and at least 1"):
        MobileViTBlock(4, 8, kernel_size=kernel_size)


def test_one_of_everything_is_enough():
    tiny = randomize(MobileViTBlock(1, 1, depth=1, heads=1, patch_size=1, kernel_size=1)).eval()
    assert tiny(torch.randn(1, 1, 1, 1)).isfinite().all()
    with pytest.raises(ValueError, match="dim=6 must be a multiple of heads=4"):
        MobileViTBlock(8, 6)


@pytest.mark.parametrize("strict", [False, True])
def test_an_export_from_a_map_that_patches_tile_serves_others(strict):
    """No resize is needed at the size shown, but at the next one."""
    block = randomize(MobileViTBlock(5, dim=6, heads=3)).eval()
    free = {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    shown = torch.randn(2, 5, 8, 6)
    program = torch.export.export(block, (shown,), dynamic_shapes=(free,), strict=strict)
    for height, width in ((8, 6), (7, 5), (4, 9)):
        x = torch.randn(3, 5, height, width)
        assert_close(program.module()(x), block(x))


def test_a_map_is_resized_only_where_its_size_is_another():
    maps = torch.randn(2, 3, 4, 6)
    assert resize(maps, 4, 6) is maps
    for size in ((6, 4), (4, 4), (6, 6), (4, 7)):
        assert_close(resize(maps, *size), nn.functional.interpolate(maps, size, mode="bilinear"))


def test_the_largest_tensor_is_declared_where_channels_are_many():
    numbers = dict(channels=64, dim=4, height=31, width=29)
    counted, declared = largest_tensor("MobileViTBlock", **numbers)
    assert counted == declared == 2 * 64 * 31 * 29
