import json
import shutil
from pathlib import Path

import pytest
from transformers import pipeline

from eventtag.errors import CheckpointError
from eventtag.manifest import sha256_of
from eventtag.models.checkpoint import load_checkpoint
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


def rewrite(path: Path, change) -> None:
    """Change eventtag.json and what the manifest says of it."""
    file = path / "eventtag.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["files"]["eventtag.json"] = {"sha256": sha256_of(file), "size": file.stat().st_size}
    (path / "manifest.json").write_text(json.dumps(manifest))


def test_temperatures_are_saved_with_the_articles_that_fitted_them(checkpoint):
    calibration = load_checkpoint(checkpoint).info.calibration
    assert set(calibration.temperatures) == {"ACTOR", "EVENT", "LOCATION"}
    assert calibration.thresholds == {}
    assert calibration.fitted_on["split"] == "validation"
    assert "Scores of spans are calibrated on the validation articles" in (checkpoint / "README.md").read_text()


def test_a_checkpoint_from_before_calibration_loads_and_is_not_calibrated(copy):
    rewrite(copy, lambda content: content.pop("calibration"))
    assert load_checkpoint(copy).info.calibration.temperatures == {}
    Tagger.load(copy).tag("Police arrested Miners .")


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperatures": {"EVENT": 0}},
        {"temperatures": {"THING": 1.0}},
        {"thresholds": {"EVENT": 1.2}},
        {"overlapping": {"EVENT": -1}},
        {"spin": 1},
    ],
)
def test_a_calibration_that_makes_no_sense_is_refused(copy, wrong):
    rewrite(copy, lambda content: content.update(calibration=wrong))
    with pytest.raises(CheckpointError, match=r"temperature|threshold|spin"):
        load_checkpoint(copy)
