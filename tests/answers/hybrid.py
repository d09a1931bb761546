"""Answers to the exercises on hybrid attention."""

import torch
from torch.nn import functional as F


def shifted_sum(x, weight, sign=1, wrap=False):
    height, width = x.shape[2:]
    total = 0
    for a in range(3):
        for b in range(3):
            down, right = sign * (1 - a), sign * (1 - b)
            moved = x.roll((down, right), dims=(2, 3))
            if not wrap:
                row, column = torch.arange(height), torch.arange(width)
                inside = (row >= down) & (row < height + down)
                moved = moved * inside[:, None] * ((column >= right) & (column < width + right))
            total = total + (weight[:, :, a, b] @ moved.flatten(2)).unflatten(2, (height, width))
    return total


def patches(height, width, patch):
    return -(-height // patch) * -(-width // patch)


def by_a_matrix(x, weight):
    """The whole convolution as one matrix, of the places that are one step apart."""
    height, width = x.shape[2:]
    place = torch.arange(height * width)
    row, column = place // width, place % width
    a, b = (n[None] - n[:, None] + 1 for n in (row, column))
    near = ((a >= 0) & (a < 3) & (b >= 0) & (b < 3)).to(x)
    kernel = weight[:, :, a.clamp(0, 2), b.clamp(0, 2)] * near
    return torch.einsum("ocij,bcj->boi", kernel, x.flatten(2)).unflatten(2, (height, width))


def by_fold(x, weight):
    columns = F.unfold(x, 3, padding=1)
    return (weight.flatten(1) @ columns).unflatten(2, x.shape[2:])


def own_kernels(value, logits, dim=-1):
    before, own, behind = logits.softmax(dim=dim).split(1, dim=2)
    zeros = torch.zeros_like(value[:, :1])
    left, right = torch.cat([zeros, value[:, :-1]], 1), torch.cat([value[:, 1:], zeros], 1)
    return before * left + own * value + behind * right


def own_kernels_by_matrix(value, logits):
    taps, tokens = logits.softmax(dim=-1), value.shape[1]
    step = torch.arange(tokens)[None] - torch.arange(tokens)[:, None] + 1
    inside = (step >= 0) & (step < 3)
    matrix = taps.gather(2, step.clamp(0, 2).expand(len(taps), -1, -1)) * inside
    return matrix @ value


def own_kernels_by_windows(value, logits):
    windows = F.pad(value, (0, 0, 1, 1)).unfold(1, 3, 1)
    return (windows * logits.softmax(dim=-1)[:, :, None]).sum(dim=-1)


def own_kernels_by_convolution(value, logits):
    shifts = torch.eye(3, dtype=value.dtype)[:, None]
    rows = value.mT.reshape(-1, 1, value.shape[1])
    views = F.conv1d(rows, shifts, padding=1).unflatten(0, (len(value), -1))
    return (views.permute(0, 3, 1, 2) * logits.softmax(dim=-1)[:, :, None]).sum(dim=-1)


def own_kernels_shared_out(value, logits):
    logits = logits.clone()
    logits[:, 0, 0] = logits[:, -1, 2] = -torch.inf
    return own_kernels(value, logits)


def left_by_index(x):
    moved = torch.zeros_like(x)
    moved[..., 1:] = x[..., :-1]
    return moved


def left_in_place(x):
    x[..., 1:] = x[..., :-1].clone()
    x[..., 0] = 0
    return x


RIGHT = {
    1: [lambda: [0.75, 0.17, 0.08], lambda: torch.tensor([[9 / 12, 2 / 12, 1 / 12]])],
    2: [
        lambda height, width, heads: (2 * height - 1) * (2 * width - 1) * heads,
        lambda height, width, heads: heads * len(range(1 - height, height)) * (width + width - 1),
    ],
    4: [shifted_sum, by_a_matrix],
    5: [own_kernels, own_kernels_by_matrix],
    6: [
        lambda patch, kernel: min(patch, kernel) ** 2,
        lambda patch, kernel: len({i % patch for i in range(kernel)}) ** 2,
    ],
    7: [
        lambda height, width, dim, patch: 2 * patch**2 * patches(height, width, patch) ** 2 * dim,
        lambda height, width, dim, patch: sum(
            2 * len(range(0, height, patch)) ** 2 * len(range(0, width, patch)) ** 2 * dim
            for _ in range(patch * patch)
        ),
    ],
    8: [left_by_index, lambda x: F.pad(x, (1, -1))],
}
WRONG = {
    1: [
        (lambda: None, "it returned nothing"),
        (lambda: [0.5, 0.33, 0.17], "the step counts once"),
        (lambda: [0.25, 0.5, 0.25], "the content alone"),
        (lambda: [2.45, 0.5, 0.25], "added after the softmax"),
        (lambda: [0.67, 0.22, 0.11], "this doubles the weight 3"),
        (lambda: [9, 2, 1], "not yet divided by their sum"),
        (lambda: [0.53, 0.3, 0.17], "mean of two softmaxes"),
    ],
    2: [
        (lambda height, width, heads: None, "it returned nothing"),
        (lambda height, width, heads: heads * height * width, "counts the places"),
        (lambda height, width, heads: (2 * height - 1) * (2 * width - 1), "of one head"),
        (lambda height, width, heads: heads * (2 * height) * (2 * width), "counted twice"),
        (lambda height, width, heads: heads * (height * width) ** 2, "counts the pairs"),
        (lambda height, width, heads: heads * (2 * height + 1) * (2 * width + 1), "too far"),
    ],
    4: [
        (lambda x, weight: None, "it returned nothing"),
        (lambda x, weight: shifted_sum(x, weight, sign=-1), "the kernel is turned"),
        (lambda x, weight: shifted_sum(x, weight, wrap=True), "closes to a ring"),
        (lambda x, weight: shifted_sum(x, weight.mT), "swapped"),
        (lambda x, weight: shifted_sum(x, weight)[..., 1:-1, 1:-1], "it has shape (2, 3, 2, 3)"),
    ],
    5: [
        (lambda value, logits: None, "it returned nothing"),
        (lambda value, logits: own_kernels(value, logits.exp().log1p()), "a number is off"),
        (lambda value, logits: own_kernels(value, logits, dim=1), "runs over the tokens"),
        (lambda value, logits: own_kernels(value, logits.flip(-1)), "from last to first"),
        (lambda value, logits: own_kernels(value, logits)[:, 1:-1], "it has shape (2, 4, 4)"),
        (own_kernels_shared_out, "shares out the tap that finds no token"),
    ],
    6: [
        (lambda patch, kernel: None, "it returned nothing"),
        (lambda patch, kernel: min(patch, kernel), "this is one axis"),
        (lambda patch, kernel: patch * patch, "these are all groups"),
        (lambda patch, kernel: kernel * kernel, "this is the window"),
        (lambda patch, kernel: min(patch, 2 * kernel - 1) ** 2, "this is what y hears"),
    ],
    7: [
        (lambda h, w, dim, p: None, "it returned nothing"),
        (lambda h, w, dim, p: 2 * (p * p * patches(h, w, p)) ** 2 * dim, "one attention among all"),
        (lambda h, w, dim, p: 2 * patches(h, w, p) ** 2 * dim, "one of the P²"),
        (lambda h, w, dim, p: p * p * patches(h, w, p) ** 2 * dim, "forgets the sums of values"),
        (lambda h, w, dim, p: p * p * patches(h, w, p) ** 2, "counts pairs"),
        (lambda h, w, dim, p: 2 * h * h * w * w * dim // (p * p), "this is the map as it is"),
        (lambda h, w, dim, p: 2 * (h // p * p * (w // p)) ** 2 * dim, "that fill no patch"),
        (lambda h, w, dim, p: 2 * patches(h, w, p) * p**4 * dim, "within each patch"),
    ],
    8: [
        (lambda x: None, "it returned nothing"),
        (lambda x: x.roll(1, dims=-1), "closes the map to a ring"),
        (lambda x: F.pad(x, (-1, 1)), "what stands to its right"),
        (lambda x: x + F.pad(x, (1, -1)), "adds the map itself"),
        (left_in_place, "it changes the map that it is given"),
    ],
}
FORBIDDEN = {
    4: [
        (lambda x, weight: F.conv2d(x, weight, padding=1), "uses convolution"),
        (by_fold, "uses unfold"),
    ],
    5: [
        (own_kernels_by_convolution, "uses convolution"),
        (own_kernels_by_windows, "uses unfold"),
    ],
}
