"""What is stored says where it comes from, and is found again."""

import json
import math

import pytest
import torch

from attention_lib.measure import store
from attention_lib.measure.sweep import sweep


def test_provenance_says_what_was_measured_on(monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1")
    origin = store.provenance(command="make bench")
    assert origin["device"] == store.device_slug() and origin["device"].startswith("cpu-")
    assert origin["threads"] == torch.get_num_threads() and origin["torch"] == torch.__version__
    assert origin["environment"]["MALLOC_TRIM_THRESHOLD_"] == "1"
    assert origin["command"] == "make bench" and origin["date"].endswith("+00:00")
    assert {"processor", "cores", "system", "python", "attention_lib"} <= origin.keys()
    assert str(store.HOME.parent) not in json.dumps(origin), "a path of this machine"
    assert set(origin["device"]) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_what_is_saved_is_found_again(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "CHECKOUT", tmp_path)
    assert store.load("my-bench") == []
    rows = sweep(["se"], "height", [2], seconds=0)
    path = store.save("my-bench", {"rows": rows, "none": [], "word": 'ä "quoted"'})
    assert path == tmp_path / store.device_slug() / "my-bench.json"
    [found] = store.load("my-bench")
    assert found["provenance"]["device"] == store.device_slug()
    assert found["rows"][0]["mechanism"] == "SqueezeExcitation"
    assert found["rows"][0]["seconds"] == pytest.approx(rows[0].seconds, rel=1e-5)
    assert found["none"] == [] and found["word"] == 'ä "quoted"'
    assert max(map(len, path.read_text("utf-8").splitlines())) < 400, "a row a line"


def test_stored_comes_from_every_device_and_out_of_the_wheel(tmp_path, monkeypatch):
    for device in ("cuda-b", "cpu-a"):
        store.write(tmp_path / device / "x.json", {"provenance": {"device": device}})
    monkeypatch.setattr(store, "CHECKOUT", tmp_path / "absent")
    monkeypatch.setattr(store, "PACKED", tmp_path)
    assert [s["provenance"]["device"] for s in store.load("x")] == ["cpu-a", "cuda-b"]
    with pytest.raises(ValueError, match="say folder="):
        store.save("x", {})
    assert store.save("x", {}, folder=tmp_path / "mine").is_file()


def test_unfit_names_and_numbers_are_refused(tmp_path):
    with pytest.raises(ValueError, match="small letters"):
        store.save("../x", {}, folder=tmp_path)
    with pytest.raises(ValueError, match="JSON"):
        store.save("x", {"a": math.nan}, folder=tmp_path)
