"""Answers to the exercises on mixing: right, wrong and forbidden ones."""

import torch
from torch.nn import functional as F


def ring_by_loops(x, kernel):
    length = len(kernel)
    columns = [
        sum(kernel[p] * x[:, (j - p) % length] for p in range(length)) for j in range(length)
    ]
    return torch.stack(columns, dim=1)


def ring_by_matrix(x, kernel):
    place = torch.arange(len(kernel))
    return x @ kernel[(place[:, None] - place) % len(kernel)].T


def ring_by_fourier(x, kernel):
    return torch.fft.ifft(torch.fft.fft(x) * torch.fft.fft(kernel)).real


def ring_by_convolution(x, kernel):
    wrapped = torch.cat([x, x], dim=1)[:, None, 1:]
    return F.conv1d(F.pad(wrapped, (0, 0)), kernel.flip(0)[None, None])[:, 0]


def ring_with_a_matrix_of_the_wrong_order(x, kernel):
    place = torch.arange(len(kernel))
    return x @ kernel[(place - place[:, None]) % len(kernel)].T


def shift_by_padding(x):
    c, (h, w) = x.shape[1], x.shape[2:]
    around = F.pad(x, (1, 1, 1, 1), mode="replicate")
    y = x.clone()
    a, b, d = c // 4, c // 2, c * 3 // 4
    y[:, :a] = around[:, :a, 1 : h + 1, :w]
    y[:, a:b] = around[:, a:b, 1 : h + 1, 2:]
    y[:, b:d] = around[:, b:d, :h, 1 : w + 1]
    y[:, d:] = around[:, d:, 2:, 1 : w + 1]
    return y


def shift_by_copies(x, edge=True):
    a, b, d = (x.shape[1] * n // 4 for n in (1, 2, 3))
    y = x.clone() if edge else torch.zeros_like(x)
    y[:, :a, :, 1:] = x[:, :a, :, :-1]
    y[:, a:b, :, :-1] = x[:, a:b, :, 1:]
    y[:, b:d, 1:] = x[:, b:d, :-1]
    y[:, d:, :-1] = x[:, d:, 1:]
    return y


def shift_by_roll(x):
    a, b, d = (x.shape[1] * n // 4 for n in (1, 2, 3))
    return torch.cat(
        [x[:, :a].roll(1, 3), x[:, a:b].roll(-1, 3), x[:, b:d].roll(1, 2), x[:, d:].roll(-1, 2)],
        dim=1,
    )


def shift_row_by_row(x):
    y = shift_by_copies(x)
    a, b, d = (x.shape[1] * n // 4 for n in (1, 2, 3))
    y[:, :a], y[:, b:d] = x[:, :a, :, :1], x[:, b:d, :1]
    return y


def shift_that_writes_on_x(x):
    x[:] = shift_by_copies(x)
    return x


def shift_with_a_long_last_quarter(x):
    quarter = x.shape[1] // 4
    y = x.clone()
    y[:, :quarter, :, 1:] = x[:, :quarter, :, :-1]
    y[:, quarter : 2 * quarter, :, :-1] = x[:, quarter : 2 * quarter, :, 1:]
    y[:, 2 * quarter : 3 * quarter, 1:] = x[:, 2 * quarter : 3 * quarter, :-1]
    y[:, 3 * quarter :, :-1] = x[:, 3 * quarter :, 1:]
    return y


def layers_by_walking(height, width):
    reached, count = {(0, 0)}, 0
    while (height - 1, width - 1) not in reached:
        reached |= {
            (i + down, j + right)
            for i, j in reached
            for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0))
        }
        count += 1
    return count


def table_lookup(maps, vectors):
    distance = (maps[:, None, :8] - vectors[:, :, None, None]).square().sum(dim=2)
    own = distance.argmin(dim=1)
    rows = [((own == v)[:, None] * maps[:, 8:]).sum(dim=(2, 3)) for v in range(len(vectors))]
    marks = torch.stack(rows, dim=1).argmax(dim=2)
    return marks.gather(1, own.flatten(1)).view_as(own)


def lookup_in_loops(maps, vectors):
    answer = []
    for one in maps:
        own = (vectors @ one[:8].flatten(1)).argmax(dim=0)
        marks = one[8:].flatten(1)
        table = torch.stack([marks[:, own == v].sum(dim=1) for v in range(len(vectors))])
        answer.append(table.argmax(dim=1)[own].view(one.shape[1:]))
    return torch.stack(answer)


def lookup_by_pairs(maps, vectors):
    carried, marks = maps[:, :8].flatten(2), maps[:, 8:].flatten(2)
    same = carried.mT @ carried > 0.999
    return (marks @ same.to(marks)).argmax(dim=1).view_as(maps[:, 0])


def least_alike(maps, vectors):
    return table_lookup(torch.cat([-maps[:, :8], maps[:, 8:]], dim=1), vectors)


RIGHT = {
    1: [lambda: [-0.5, 0.5, -0.5, 0.5], lambda: torch.tensor([[-0.5, 0.5], [-0.5, 0.5]])],
    2: [
        lambda c, h, w: 2 * c * h * (w // 2 + 1),
        lambda c, h, w: torch.view_as_real(torch.fft.rfft2(torch.zeros(c, h, w))).numel(),
    ],
    3: [ring_by_loops, ring_by_matrix],
    5: [shift_by_padding, shift_by_copies],
    6: [lambda h, w: (h - 1) + (w - 1), layers_by_walking],
    7: [table_lookup, lookup_in_loops],
}
WRONG = {
    1: [
        (lambda: None, "returned nothing"),
        (lambda: [-2.0, 2.0, -2.0, 2.0], "divides by the number of places"),
        (lambda: [0.5, -0.5, 0.5, -0.5], "turned round"),
        (lambda: [1.5, 1.5, 3.5, 3.5], "taken away"),
        (lambda: [4, 1, 2, 3], "is not [4, 1, 2, 3]"),
    ],
    2: [
        (lambda c, h, w: None, "returned nothing"),
        (lambda c, h, w: 2 * c * h * w, "mirror the others"),
        (lambda c, h, w: c * h * (w // 2 + 1), "two real ones"),
        (lambda c, h, w: c * h * w // 2 * 2, "it is 14,336, not 12544"),
        (lambda c, h, w: c * h * w, "and one more"),
        (lambda c, h, w: 2 * c * (h // 2 + 1) * (w // 2 + 1), "only one of the two axes"),
        (lambda c, h, w: 2 * c * w * (h // 2 + 1), "not the rows"),
    ],
    3: [
        (lambda x, kernel: None, "returned nothing"),
        (ring_with_a_matrix_of_the_wrong_order, "the other way round"),
        (lambda x, kernel: x * kernel, "place by place"),
        (lambda x, kernel: ring_by_loops(x, kernel).T, "it has shape (5, 2)"),
        (lambda x, kernel: ring_by_loops(x, kernel.roll(-(len(kernel) // 2))), "centred"),
    ],
    5: [
        (lambda x: None, "returned nothing"),
        (shift_by_roll, "comes in at the other"),
        (lambda x: shift_by_copies(x, edge=False), "not become 0"),
        (shift_row_by_row, "has been overwritten"),
        (shift_that_writes_on_x, "x has been changed"),
        (shift_with_a_long_last_quarter, "too many channels"),
    ],
    6: [
        (lambda h, w: None, "returned nothing"),
        (lambda h, w: max(h - 1, w - 1), "never diagonally"),
        (lambda h, w: h + w, "H - 1 steps"),
        (lambda h, w: 1, "not where"),
        (lambda h, w: h * w, "it is 14, not 64"),
        (lambda h, w: max(h, w), "the longer side"),
    ],
    7: [
        (lambda maps, vectors: None, "returned nothing"),
        (least_alike, "least alike"),
        (
            lambda maps, vectors: (
                maps[:, 8:].mean(dim=(2, 3)).argmax(dim=1)[:, None, None] + 0 * maps[:, 0]
            ),
            "most frequent mark",
        ),
        (lambda maps, vectors: table_lookup(maps, vectors)[:, None], "one mark for each place"),
        (lambda maps, vectors: maps[:, 8:].argmax(dim=1), "reads its own mark"),
    ],
}
FORBIDDEN = {
    3: [(ring_by_fourier, "uses fft"), (ring_by_convolution, "uses convolution")],
    7: [(lookup_by_pairs, "it makes a tensor of shape")],
}
