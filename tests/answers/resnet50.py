"""Answers to the exercises on counting a ResNet-50: two right and three wrong ones each."""

RIGHT = {
    2: [
        lambda widths, p, share: 2 * sum(c * c for c in widths) / (share * p),
        lambda widths, p, share: sum(2 * c**2 / p for c in widths) / share,
    ],
    3: [
        lambda c, h, w, r, k: 4 * c * (c // r) + 2 * k * k * h * w,
        lambda c, h, w, r, k: 2 * (2 * c * (c // r) + k**2 * h * w),
    ],
    4: [
        lambda inside, width, side: 3 * inside * width * side**2 // 4,
        lambda inside, width, side: inside * width * (side**2 - (side // 2) ** 2),
    ],
}
WRONG = {
    2: [
        lambda widths, p, share: None,
        lambda widths, p, share: sum(c * c for c in widths) / (share * p),
        lambda widths, p, share: 2 * sum(widths) ** 2 / (share * p),
    ],
    3: [
        lambda c, h, w, r, k: None,
        lambda c, h, w, r, k: 2 * c * (c // r) + 2 * k * k * h * w,  # one pass of the layers
        lambda c, h, w, r, k: 4 * c * (c // r) + k * k * h * w,  # one plane read
    ],
    4: [
        lambda inside, width, side: None,
        lambda inside, width, side: inside * width * side**2,
        lambda inside, width, side: 9 * width * width * side**2 * 3 // 4,  # that of the 3×3
    ],
}
