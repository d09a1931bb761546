"""The letter and the meaning of every word that names an axis, an argument or a size."""

SYMBOLS = {
    "batch": ("B", "samples that are worked on together"),
    "tokens": ("N", "tokens of a sequence, or pixels of a map read as one"),
    "others": ("M", "tokens of the context that is attended to"),
    "dim": ("d", "features of a token"),
    "heads": ("h", "heads that attend side by side"),
    "head_dim": ("d_h", "features that one head works on"),
    "channels": ("C", "channels of a map"),
    "height": ("H", "rows of a map"),
    "width": ("W", "columns of a map"),
    "reduction": ("r", "how many times narrower the middle of a gate is"),
    "minimum": ("L", "least width of the middle of a gate"),
    "hidden": ("m", "width of the middle of a gate"),
    "kernel_size": ("k", "places that a convolution reads along an axis"),
    "kernel_sizes": ("k", "the kernel size of each branch"),
    "groups": ("G", "groups of channels that a convolution keeps apart; a list has one per branch"),
    "branches": ("S", "branches that see the same map"),
    "bias": ("b", "1 if the layers have biases, else 0"),
    "share": ("s", "channels that share their weights"),
    "planes": ("P", "maps of weights that are not shared"),
    "places": ("T", "places around a pixel, its own included"),
    "patch_size": ("p", "side of a square patch of pixels"),
    "patches": ("N", "patches of a map"),
    "depth": ("L", "layers, one after the other"),
    "dilation": (r"\delta", "steps between the places that a convolution reads"),
    "multiply": (r"\pi", "1 if two branches are multiplied, 0 if they are added"),
    "recurrence": ("R", "times that a map goes through the same layer"),
    "row_layers": ("L_W", "layers that attend along the width"),
    "column_layers": ("L_H", "layers that attend along the height"),
    "slots": ("S", "keys and values of a learned memory"),
    "expansion": ("e", "how many times wider than a token a layer is inside"),
    "table_height": ("H_0", "rows of the map that a table of offsets was made for"),
    "table_width": ("W_0", "columns of the map that a table of offsets was made for"),
    "kernel_attention": ("K", "side of the square of pixels that attention gathers from"),
    "kernel_convolution": ("k", "side of the square of pixels that a convolution reads"),
    "stride": ("s", "steps between the pixels that are answered"),
}


def letter(word: str) -> str:
    """The LaTeX letter of `word`; a word that has none stands for itself."""
    return SYMBOLS[word][0] if word in SYMBOLS else rf"\mathrm{{{word}}}"
