import json
import shutil
import subprocess
from pathlib import Path

import pytest
from transformers import pipeline
from warm import warm_programs

from eventtag.encoding.tokens import read_tokenizer
from eventtag.errors import CheckpointError
from eventtag.manifest import write_manifest
from eventtag.models.accepted import require_own_tokenizer
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
        (lambda path: (path / "manifest.json").write_text('{"files": {}}'), "manifest.json: is damaged .it lists no file"),
        (lambda path: (path / "manifest.json").write_text("[" * 100_000), "manifest.json: is damaged"),
        (lambda path: (path / "manifest.json").unlink(), "has no manifest.json"),
        (lambda path: (path / "added_tokens.json").write_text("{}"), "added_tokens.json: the manifest does not list this file"),
        (lambda path: (path / "model.safetensors.index.json").write_text("{}"), "the manifest does not list this file"),
        (lambda path: shutil.rmtree(path), "no such directory"),
    ],
    ids=[
        "no weights",
        "cut weights",
        "changed weights",
        "changed tokenizer",
        "cut manifest",
        "odd manifest",
        "empty manifest",
        "deep manifest",
        "no manifest",
        "another file",
        "an index",
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


def rewrite(path: Path, change, name: str = "eventtag.json") -> None:
    """Change a JSON file of a checkpoint and what the manifest says of it."""
    file = path / name
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    sign(path)


def sign(path: Path) -> None:
    """Write a manifest of what is in the folder, as whoever makes a checkpoint can."""
    (path / "manifest.json").unlink()
    write_manifest(path)


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


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("config.json", {"model_type": "gpt2"}, "model_type is 'gpt2', which is not an encoder that eventtag knows"),
        ("config.json", {"model_type": None}, "model_type is None"),
        ("config.json", {"model_type": "roberta"}, "do not fit the model that config.json describes"),
        ("config.json", {"num_hidden_layers": 3}, "do not fit .* are missing"),
        ("config.json", {"num_hidden_layers": 1}, "do not fit .* belong to no part of it"),
        ("config.json", {"intermediate_size": 100}, "cannot be loaded|do not fit"),
        ("config.json", {"id2label": {str(n): f"X{n}" for n in range(7)}}, "the files do not belong together"),
        ("config.json", {"attn_implementation": "someone/kernel@main:attention"}, "its attn_implementation is 'someone/kernel"),
        ("config.json", {"_attn_implementation": {"": "flash_attention_2"}}, "its _attn_implementation is"),
        ("config.json", {"quantization_config": {"quant_method": "fp8"}}, "its quantization_config is"),
        ("eventtag.json", {"labels": ["EVENT", "ACTOR", "LOCATION"]}, "the files do not belong together"),
        ("manifest.json", {}, None),
    ],
)
def test_a_checkpoint_whose_files_do_not_belong_together_is_refused(copy, name, change, message):
    """Nothing is drawn at random in place of weights that a file does not have."""
    if message is None:
        sign(copy)
        load_checkpoint(copy)  # the same files with a new manifest are a checkpoint
        return
    rewrite(copy, lambda content: content.update(change), name)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(copy)


def template(single, special):
    """A post-processor of the tokenizers library."""
    pair = [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}]
    return {"post_processor": {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special}}


CLS = {"SpecialToken": {"id": "[CLS]", "type_id": 0}}
TEXT_ITSELF = {"Sequence": {"id": "A", "type_id": 0}}


def load_like_an_export(path):
    """Without transformers."""
    require_own_tokenizer(path, read_tokenizer(path), max_length=24)


def special(number):
    return {"[CLS]": {"id": "[CLS]", "ids": [number], "tokens": ["[CLS]"]}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (template([CLS, TEXT_ITSELF], {}), "cannot read the letter a|cannot be read"),  # the library panics
        ({"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}}, "cannot be read"),  # as well
        (template([CLS], special(1)), "keeps nothing of the letter a"),
        (template([CLS] * 40 + [TEXT_ITSELF], special(1)), r"puts 40 special tokens into each window, which holds 24"),
        (template([CLS, TEXT_ITSELF], special(99_999)), "has the token id 99999, and the model knows the ids 0 to"),
        ({"model": {"type": "Unigram", "unk_id": 0, "vocab": [[f"b{n}", 0.0] for n in range(300)]}}, "has the token id 304"),
        ({"model": {"type": "Unigram", "unk_id": None, "vocab": [["b", 0.0]]}}, "cannot read the letter a"),
    ],
    ids=["unknown special token", "damaged normalizer", "no text", "no room", "odd special token", "odd vocabulary", "no letter"],
)
@pytest.mark.parametrize("exported", [False, True], ids=["torch", "export"])
def test_a_tokenizer_that_the_model_cannot_read_is_refused(copy, change, message, exported):
    rewrite(copy, lambda content: content.update(change), "tokenizer.json")
    load = load_like_an_export if exported else load_checkpoint
    with pytest.raises(CheckpointError, match=message) as error:
        load(copy)
    assert "copy the " in str(error.value)


def test_a_text_on_which_the_tokenizer_gives_up_is_named(copy):
    """The library panics, which is no Exception: a worker of a job would end with it."""
    pattern = {"type": "Split", "pattern": {"Regex": "(a+)+$|(a|aa)+b"}, "behavior": "Isolated", "invert": False}
    rewrite(copy, lambda content: content.update(pre_tokenizer=pattern), "tokenizer.json")
    tagger = Tagger.load(copy)
    assert tagger.tag("Police met") is not None
    with pytest.raises(CheckpointError, match=r"(?s)fails on a text of 61 characters that begins 'aaaa.*leave this text out"):
        tagger.tag("a" * 60 + "!")


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", "eventtag.json", "model.safetensors"])
def test_a_manifest_that_lists_too_little_is_refused(copy, missing):
    (copy / missing).unlink()
    sign(copy)
    with pytest.raises(CheckpointError, match=r"manifest.json: (does not list|lists no weights)"):
        load_checkpoint(copy)


def test_a_manifest_that_names_a_file_elsewhere_is_refused(copy):
    (copy.parent / "elsewhere").write_text("x")
    rewritten = json.loads((copy / "manifest.json").read_text())
    rewritten["files"]["../elsewhere"] = {"sha256": "0", "size": 1}
    (copy / "manifest.json").write_text(json.dumps(rewritten))
    with pytest.raises(CheckpointError, match="which is not in the folder"):
        load_checkpoint(copy)


@pytest.mark.parametrize("target", ["../other/model.safetensors", "/etc/model.safetensors", "other.safetensors"])
def test_an_index_of_weights_stays_in_its_folder(copy, target):
    (copy.parent / "other").mkdir()
    (copy / "model.safetensors").rename(copy.parent / "other" / "model.safetensors")
    (copy / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": {"a": target}}))
    sign(copy)
    with pytest.raises(CheckpointError, match="which is not a file of weights of this folder"):
        load_checkpoint(copy)


def test_weights_in_several_files_are_loaded(copy):
    load_checkpoint(copy).model.save_pretrained(copy.parent / "parts", max_shard_size="100KB")
    (copy / "model.safetensors").unlink()
    for file in (copy.parent / "parts").glob("model*"):
        shutil.copy(file, copy)
    sign(copy)
    assert (copy / "model.safetensors.index.json").exists()
    load_checkpoint(copy)


@pytest.mark.parametrize("name", ["manifest.json", "eventtag.json", "config.json", "tokenizer.json", "tokenizer_config.json"])
def test_brackets_without_end_are_damage(copy, name):
    (copy / name).write_text("[" * 100_000)
    if name != "manifest.json":
        sign(copy)
    with pytest.raises(CheckpointError):
        load_checkpoint(copy)


def test_hidden_files_and_an_export_may_lie_beside_what_the_manifest_lists(copy):
    (copy / ".gitattributes").write_text("")
    (copy / "export_int8").mkdir()
    (copy / "export_int8" / "model.onnx").write_text("")
    load_checkpoint(copy)


def test_a_checkpoint_with_an_adapter_is_refused(copy):
    """transformers would load another model, or change the weights, by what its file names."""
    (copy / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "base_model_name_or_path": str(copy.parent)}))
    sign(copy)
    with pytest.raises(CheckpointError, match=r"holds adapter_config\.json"):
        load_checkpoint(copy)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_code_of_a_checkpoint_is_not_run_and_nothing_asks_on_standard_input(copy, name):
    """transformers would ask there, and the first line of a piped article would be the answer."""
    (copy / "evil.py").write_text("open('ran', 'w')\nclass C: ...\n")
    classes = dict.fromkeys(("AutoConfig", "AutoModelForTokenClassification"), "evil.C") | {"AutoTokenizer": ["evil.C", "evil.C"]}
    strange = {"tokenizer_class": "C"} if name == "tokenizer_config.json" else {"model_type": "evil"}
    rewrite(copy, lambda content: content.update(auto_map=classes, **strange), name)
    program = f"from eventtag import Tagger\nprint(Tagger.load({str(copy)!r}).tag('Police arrested Miners .'))"
    done = subprocess.run(
        [warm_programs() / "python", "-c", program], input="y\n" * 9, capture_output=True, text=True, cwd=copy.parent, check=False
    )
    assert "Do you wish to run" not in done.stdout + done.stderr
    assert not (copy.parent / "ran").exists()
    assert done.returncode == 0 or "CheckpointError" in done.stderr
