import json
import shutil
from pathlib import Path

import pytest
from transformers import pipeline

from eventtag.errors import CheckpointError
from eventtag.modeling.checkpoint import load_checkpoint
from eventtag.tagging.tagger import Tagger


@pytest.fixture
def copy(checkpoint, tmp_path) -> Path:
    path = tmp_path / "checkpoint"
    shutil.copytree(checkpoint, path)
    return path


def test_a_checkpoint_holds_labels_windows_and_how_it_was_made(checkpoint):
    info = load_checkpoint(checkpoint).info
    assert info.labels.labels == ("ACTOR", "EVENT", "LOCATION")
    assert (info.window.max_length, info.window.stride) == (24, 6)
    assert info.training["encoder"] == "tiny"
    assert info.training["data"]["articles"] == 16
    card = (checkpoint / "README.md").read_text()
    assert card.startswith("---\n")
    assert info.training["data"]["sha256"] in card


def test_a_checkpoint_loads_in_the_plain_pipeline_with_the_same_spans(checkpoint, articles):
    tag = pipeline("token-classification", str(checkpoint), aggregation_strategy="first")
    tagger = Tagger.load(checkpoint)
    for article in articles[:4]:
        found = [(int(item["start"]), int(item["end"]), item["entity_group"]) for item in tag(article.text)]
        assert found == [(span.start, span.end, span.label) for span in tagger.tag(article.text)]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: (path / "model.safetensors").unlink(), "model.safetensors: is missing"),
        (lambda path: (path / "model.safetensors").write_bytes(b"\0" * 100), "has 100 bytes, the manifest says"),
        (lambda path: flip_a_byte(path / "model.safetensors"), "model.safetensors: its sha256 is not the manifest's"),
        (lambda path: flip_a_byte(path / "tokenizer.json"), "tokenizer.json: its sha256 is not the manifest's"),
        (lambda path: (path / "manifest.json").write_text("{"), "manifest.json: is damaged"),
        (lambda path: (path / "manifest.json").write_text('{"files": []}'), "manifest.json: is damaged"),
        (lambda path: (path / "manifest.json").unlink(), "has no manifest.json"),
        (lambda path: shutil.rmtree(path), "no such directory"),
    ],
    ids=[
        "no weights",
        "cut weights",
        "changed weights",
        "changed tokenizer",
        "cut manifest",
        "odd manifest",
        "no manifest",
        "nothing",
    ],
)
def test_a_damaged_checkpoint_is_refused_by_name(copy, damage, message):
    damage(copy)
    with pytest.raises(CheckpointError, match=message) as error:
        load_checkpoint(copy)
    assert str(copy) in str(error.value)


def test_the_run_directory_in_place_of_its_checkpoint_gives_a_hint(trained_run):
    with pytest.raises(CheckpointError, match=r"did you mean .*trained/checkpoint"):
        load_checkpoint(trained_run)


def test_the_model_card_may_be_edited(copy):
    (copy / "README.md").write_text("my own words")
    load_checkpoint(copy)


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_the_manifest_lists_every_other_file(checkpoint):
    listed = set(json.loads((checkpoint / "manifest.json").read_text())["files"])
    assert listed == {file.name for file in checkpoint.iterdir()} - {"manifest.json"}
