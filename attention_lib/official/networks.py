"""Networks: torchvision's and timm's names."""

from attention_lib.official.tables import Rule, squeezed

# The names of convolutions and norms are torchvision's and timm's own.
TABLES = {
    "ResNet": {
        "timm": (
            Rule(r"\.se\.fc1\.weight$", ".attention.squash.weight", squeezed),
            Rule(r"\.se\.fc2\.weight$", ".attention.excite.weight", squeezed),
            Rule(r"\.se\.fc1\.bias$", ".attention.squash.bias"),
            Rule(r"\.se\.fc2\.bias$", ".attention.excite.bias"),
        ),
    },
}
