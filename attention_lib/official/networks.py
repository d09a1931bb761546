"""Networks: torchvision's and timm's names."""

from attention_lib.official.tables import Published, Rule, squeezed

# The names of convolutions and norms are torchvision's and timm's own.
TABLES = {
    "ResNet": (
        Published(
            "timm",
            (
                Rule(r"\.se\.fc1\.", ".attention.squash.", squeezed),
                Rule(r"\.se\.fc2\.", ".attention.excite.", squeezed),
            ),
        ),
    ),
}
