"""What rounding noise must do, and must leave alone."""

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from tools.noise import Noise, begin
from tools.noise.__main__ import main


@pytest.fixture
def noise() -> Iterator[None]:
    """By values: some tests change the order or number of rows."""
    with torch.random.fork_rng(), Noise(seed=1, by_shapes=False):
        torch.manual_seed(0)
        yield


def depth() -> int:
    return torch._C._len_torch_dispatch_stack()


def test_a_lucky_zero_moves(noise):
    unit = F.normalize(torch.tensor([3.0, 4.0]), dim=0)
    across = F.normalize(torch.tensor([4.0, -3.0]), dim=0)
    assert 0 < abs(unit @ across) < 1e-6


def test_a_lucky_whole_number_moves():
    """With some seeds: a small noise is rounded away."""
    three, shares = set(), set()
    for seed in range(8):
        with Noise(seed):
            three.add(torch.tensor([1.0986123]).exp().item())
            shares.add(torch.tensor([0.0, 1.0986123]).softmax(0)[1].item())
    assert len(three) > 1 and len(shares) > 1


def test_complex_numbers_move_in_both_parts():
    z = torch.complex(torch.linspace(1, 2, 64), torch.linspace(2, 3, 64))
    plain = z.exp()
    with Noise(seed=1, by_shapes=False):
        moved, one = z.exp(), torch.zeros(3, dtype=z.dtype).exp()
    assert (moved.real != plain.real).any() and (moved.imag != plain.imag).any()
    assert (moved - plain).abs().max() < 1e-5 and torch.equal(one, torch.ones_like(one))


def test_whole_numbers_stay_whole(noise):
    a, b = torch.arange(6.0).view(2, 3), torch.arange(6.0).view(3, 2)
    assert (a @ b).tolist() == [[10, 13], [28, 40]]
    assert torch.tensor([1.0, 3, 5, 7]).mean() == 4 and torch.zeros(3).exp().sum() == 3
    assert torch.zeros(1, 4).softmax(1).tolist() == [[0.25] * 4]
    assert torch.linalg.vector_norm(torch.tensor([3.0, 4.0])) == 5


def test_equal_work_has_equal_bits(noise):
    layer, x = nn.Linear(8, 6), torch.randn(10, 8)
    order = torch.randperm(10)
    assert torch.equal(layer(x), layer(x)) and torch.equal(layer(x[order]), layer(x)[order])
    q, k, v = torch.randn(3, 1, 2, 7, 4)
    later = v.clone()
    later[:, :, 4:] = 9
    one, two = (F.scaled_dot_product_attention(q, k, w, is_causal=True) for w in (v, later))
    assert torch.equal(one[:, :, :4], two[:, :, :4])


def test_a_seed_is_a_noise_and_sizes_are_kernels():
    x = torch.linspace(-3, 3, 5 * 512).view(5, 512)  # whole vectors: no entry has another code

    def run(seed, rows=5, **how):
        with Noise(seed, **how):
            return x[:rows].sigmoid()

    assert torch.equal(run(1), run(1)) and not torch.equal(run(1), run(2))
    assert not torch.equal(run(1)[:3], run(1, rows=3))
    assert torch.equal(run(1, by_shapes=False)[:3], run(1, rows=3, by_shapes=False))


def test_generators_are_left_alone(noise):
    torch.manual_seed(0)
    one = torch.rand(3)
    torch.manual_seed(0)
    torch.ones(4, 4) @ torch.full((4,), 0.1)
    assert torch.equal(torch.rand(3), one)


def test_gradients_hold(noise):
    layer = nn.Sequential(nn.Linear(4, 5), nn.LayerNorm(5), nn.GELU()).double()
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, x)
    maps = torch.randn(1, 2, 5, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(nn.Conv2d(2, 3, 3).double(), maps)


def test_shares_do_not_exceed_one(noise):
    assert torch.tensor([[90.0, 0.0]]).softmax(1).max() <= 1 and torch.tensor(90.0).sigmoid() <= 1


def test_compilers_and_exporters_work(noise):
    layer, x = nn.Linear(4, 3), torch.randn(2, 4)
    torch.testing.assert_close(torch.compile(layer, fullgraph=True, backend="eager")(x), layer(x))
    torch.testing.assert_close(torch.export.export(layer, (x,)).module()(x), layer(x))


def test_counters_count_the_same(noise):
    with FlopCounterMode(display=False) as counter:
        torch.ones(3, 4) @ torch.ones(4, 5)
    assert counter.get_total_flops() == 120


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_small_and_has_both_signs(dtype):
    x = torch.linspace(-3, 3, 1000, dtype=dtype)
    with Noise(seed=1):
        moved = x.sigmoid()
    share = (moved - x.sigmoid()) / x.sigmoid() / torch.finfo(dtype).eps
    up, down = (share > 0).sum().item(), (share < 0).sum().item()
    assert up + down > 300 and 0.4 < up / (up + down) < 0.6
    assert share.abs().max() <= 1.5


def test_half_precision_and_other_devices_are_left_alone(noise):
    x = torch.randn(99).half()
    assert torch.equal(x.sigmoid(), x.sigmoid().clone())
    assert torch.empty(3, 4, device="meta").sigmoid().shape == (3, 4)


def test_a_notebook_turns_it_on_and_off(monkeypatch):
    monkeypatch.setattr("tools.noise._note_seconds", lambda path: None)
    before = depth()
    begin(1, "seconds.txt")
    begin(2, "seconds.txt")
    assert depth() == before + 1
    begin(None, "seconds.txt")
    begin(None, "seconds.txt")
    assert depth() == before


def book(folder: Path, *cells: tuple[str, str]) -> Path:
    """A book of one notebook, of cells and what they are said to print."""
    notebook = nbformat.v4.new_notebook()
    for number, (source, text) in enumerate(cells, start=1):
        cell = nbformat.v4.new_code_cell(source, execution_count=number)
        cell.outputs = [nbformat.v4.new_output("stream", text=text)] if text else []
        notebook.cells.append(cell)
    notebook.metadata.attention_book = dict(key="now", noise="before")
    for place in ("book/chapters", "notebooks"):
        (folder / place).mkdir(parents=True)
    (folder / "book/chapters/page.md").touch()
    nbformat.write(notebook, folder / "notebooks/page.ipynb")
    return folder / "notebooks/page.ipynb"


def test_a_cell_that_hangs_on_rounding_is_found(tmp_path, capsys):
    """Through nbval. By value there is no difference: 5. is 5.000."""
    page = book(
        tmp_path,
        ("from math import log\nimport torch", ""),
        ("shares = torch.tensor([0.0, log(3)]).softmax(dim=0)", ""),
        ("read = shares @ torch.tensor([2.0, 6.0])\nprint(f'{read:.3f}')", "5.000\n"),
        ("print(read)", "tensor(5.)\n"),
    )
    before = page.read_bytes()
    with pytest.raises(SystemExit, match="1 cells hang on rounding"):
        main([], tmp_path)
    said = capsys.readouterr().out
    assert "page, code cell 4, noise" in said and "tensor(5.)" in said and "tensor(5.000" in said
    assert "page: 4 cells once, " in said and page.read_bytes() == before


def test_a_proof_is_kept_with_the_key_it_is_of(tmp_path, capsys, monkeypatch):
    page = book(tmp_path, ("1", ""))
    monkeypatch.setattr("tools.noise.__main__.trouble", lambda notebook: ([], "all tried"))
    main([], tmp_path)
    stamp = nbformat.read(page, as_version=4).metadata.attention_book
    assert stamp == dict(key="now", noise="now")
    assert capsys.readouterr().out == "      page: all tried: 0 changed by rounding\n"
    main([], tmp_path)
    assert capsys.readouterr().out == "      page: proven\n"
    main(["--all"], tmp_path)
    assert "all tried" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["pag"], tmp_path)
    assert "no chapter pag; there are: page" in capsys.readouterr().err
