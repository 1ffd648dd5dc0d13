"""Exports are judged, belong to their checkpoint, and tag as it does, whatever the engine, without torch."""

import importlib.metadata
import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from safetensors.numpy import save_file

from eventtag.cli.commands import export as export_command
from eventtag.engines import choice
from eventtag.errors import CheckpointError, ExportError, OutputError, SettingsError
from eventtag.exporting import export, onnx_export
from eventtag.exporting.gate import Verdict
from eventtag.heads.tag_decoding import TagDecoder
from eventtag.labels import LabelSet
from eventtag.manifest import check_manifest, sha256_of, write_manifest
from eventtag.models.checkpoint import load_checkpoint
from eventtag.tagging.tagger import Tagger

pytestmark = pytest.mark.slow

PRECISIONS = ("fp32", "bf16", "int8")
GOOD = Verdict(articles=9, f1=0.9, exported_f1=0.9, low=0.0, high=0.0, agreement=1.0, speed=100.0, exported_speed=101.0)


@pytest.fixture(scope="module")
def validation(articles):
    return [article for article in articles if article.meta["split"] == "validation"]


@pytest.fixture
def run_export(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["eventtag export", *map(str, arguments)])
        return export_command.run(), *capsys.readouterr()

    return call


@pytest.fixture(scope="module")
def exported(linked_run, validation, tmp_path_factory):
    """A copy of the run's checkpoint, which has a link head, with all exports.

    How fast each engine is with a model as tiny as this one depends on the machine, so the two speeds are given. All precisions
    begin from the same file in fp32, which is made once.
    """
    fp32, make = tmp_path_factory.mktemp("fp32") / "model.onnx", onnx_export.export_fp32

    def copy_fp32(model, file, **options):
        if not fp32.exists():
            make(model, fp32, **options)
        shutil.copyfile(fp32, file)

    run = tmp_path_factory.mktemp("exported") / "run"
    shutil.copytree(linked_run, run)
    path = run / "checkpoint"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_export, "export_fp32", copy_fp32)
        patch.setattr(export, "_speeds", lambda *_: [GOOD.speed, GOOD.exported_speed])
        for precision in PRECISIONS:
            export.export_checkpoint(path, precision, validation, LabelSet(), data={"name": "these"})
    return path


def test_the_command_exports_or_refuses_by_the_run_s_validation_articles(run_export, trained_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    code, output, errors = run_export(run / "checkpoint", "--precision", "fp32")
    folder = choice.export_folder(run / "checkpoint", "fp32")
    if code:  # a model as tiny as this one may be faster with torch
        assert "is not faster here" in errors
        assert not folder.exists()
    else:
        assert "on 4 validation articles" in output
        assert json.loads((folder / "export.json").read_text())["data"]["name"] == "corpus"


def spans(tagger, texts):
    return [[(s.start, s.end, s.label) for s in item.spans] for item in tagger.tag_many(texts)]


def linked(tagger, texts):
    return [([str(link) for link in item.links], [span.status for span in item.spans]) for item in tagger.tag_many(texts)]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_export_finds_the_checkpoints_spans_alone_and_in_any_company(exported, articles, precision):
    texts = [a.text * (1 + number % 3) for number, a in enumerate(articles)]
    loaded = Tagger.load(exported, precision=precision)
    assert loaded.about["precision"] == precision
    assert "torch" not in loaded.about["engine"]
    expected = [item.spans for item in loaded.tag_many(texts)]
    assert spans(loaded, texts) == spans(Tagger.load(exported, device="cpu"), texts)
    assert linked(loaded, texts) == linked(Tagger.load(exported, device="cpu"), texts)
    for batch_tokens, step in ((1, 1), (100, -1), (4096, -1)):
        found = [item.spans for item in replace(loaded, batch_tokens=batch_tokens).tag_many(texts[::step])][::step]
        assert found == expected  # scores too, to the last bit


def test_an_export_leaves_the_checkpoint_as_it_was_and_says_how_it_was_judged(exported, linked_run, validation):
    assert sha256_of(exported / "manifest.json") == sha256_of(linked_run / "checkpoint" / "manifest.json")
    for precision in PRECISIONS:
        folder = choice.export_folder(exported, precision)
        assert "export.json" in check_manifest(folder)
        record = json.loads((folder / "export.json").read_text())
        assert record["verdict"]["articles"] == len(validation)
        assert record["verdict"]["exported_speed"] > record["verdict"]["speed"]
        assert record["data"]["name"] == "these"
        assert record["verdict"]["link_agreement"] >= 0.95
        assert "links.safetensors" in check_manifest(folder)


def test_tagging_with_an_export_imports_neither_torch_nor_transformers(exported, articles):
    code = (
        "import sys; from eventtag import Tagger; taggers = [Tagger.load(sys.argv[1], precision=p) for p in ('fp32', 'bf16')];"
        "print(*(len(tagger.tag(sys.argv[2])) for tagger in taggers));"
        "print([name for name in ('torch', 'transformers', 'scipy') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code, exported, articles[0].text], capture_output=True, text=True, check=True)
    found = len(Tagger.load(exported).tag(articles[0].text))
    assert run.stdout == f"{found} {found}\n[]\n"


def test_a_worse_or_slower_export_is_refused():
    GOOD.require_accepted("int8")
    replace(GOOD, exported_f1=0.8981).require_accepted("int8")
    with pytest.raises(ExportError, match=r"int8: strict micro F1 falls by 0.30 points, from 0.9000 to 0.8970"):
        replace(GOOD, exported_f1=0.897).require_accepted("int8")
    with pytest.raises(ExportError, match=r"is not faster here: 100 tokens a second"):
        replace(GOOD, exported_speed=100.0).require_accepted("int8")
    replace(GOOD, link_f1=0.8, exported_link_f1=0.796, link_agreement=0.96).require_accepted("int8")
    with pytest.raises(ExportError, match=r"int8: strict F1 of links falls by 0.60 points, from 0.8000 to 0.7940"):
        replace(GOOD, link_f1=0.8, exported_link_f1=0.794).require_accepted("int8")
    with pytest.raises(ExportError, match=r"only 94.0 % of links and status stay the same"):
        replace(GOOD, link_agreement=0.94).require_accepted("int8")


def test_a_refused_export_leaves_nothing(checkpoint, validation, tmp_path, monkeypatch):
    path = tmp_path / "checkpoint"
    shutil.copytree(checkpoint, path)
    before = sorted(path.rglob("*"))

    class Blind:
        engine, precision, batch_tokens, decoder = "none", "fp32", 1000, TagDecoder()

        def emissions(self, input_ids, casing_ids, word_positions):
            return np.full((*word_positions.shape, len(LabelSet().tags)), -2.0, dtype=np.float32)

    monkeypatch.setattr(export, "_write_model", lambda *_: None)
    monkeypatch.setattr(export, "open_export", lambda *_: Blind())
    with pytest.raises(ExportError, match=r"nothing is written"):
        export.export_checkpoint(path, "fp32", validation, LabelSet())
    assert sorted(path.rglob("*")) == before


def test_nothing_is_reported_to_the_makers_of_openvino(exported):
    """It reports imports and conversions where the package that sends them can be imported, as it can here."""
    assert importlib.metadata.version("openvino-telemetry")
    assert importlib.import_module("openvino.tools.ovc.telemetry_utils").tm.__name__ == "openvino.tools.ovc.telemetry_stub"


def test_an_export_is_not_overwritten(exported, validation):
    with pytest.raises(OutputError, match="exists already"):
        export.export_checkpoint(exported, "fp32", validation, LabelSet())


def test_an_export_of_another_checkpoint_or_a_damaged_one_is_not_run(exported, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(exported, other)
    manifest = json.loads((other / "manifest.json").read_text())
    (other / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match="was exported from another checkpoint"):
        Tagger.load(other, precision="fp32")
    damaged = tmp_path / "damaged"
    shutil.copytree(exported, damaged)
    model = choice.export_folder(damaged, "int8") / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"?")
    with pytest.raises(CheckpointError, match=r"model.onnx: its sha256 is not the manifest's"):
        Tagger.load(damaged, precision="int8")


def external(model, place):
    """The largest weight of an ONNX model is in another file, which lies at `place`."""
    tensor = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    weights = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", place), ("offset", "0"), ("length", str(len(weights)))):
        tensor.external_data.add(key=key, value=value)
    return weights


def rename_output(folder):
    model = onnx.load(folder / "model.onnx")
    (last,) = (node for node in model.graph.node if "emissions" in node.output)
    model.graph.node.append(onnx.helper.make_node("Identity", ["emissions"], ["other"]))
    model.graph.node.sort(key=lambda node: node is last or "other" in node.output)
    model.graph.output[0].name = "other"
    onnx.save(model, folder / "model.onnx")


def ask_for_memory(folder):
    model = onnx.load(folder / "model.onnx")
    model.graph.initializer.append(onnx.helper.make_tensor("size", onnx.TensorProto.INT64, [2], [1 << 30, 1 << 20]))
    model.graph.node.append(onnx.helper.make_node("ConstantOfShape", ["size"], ["huge"]))
    model.graph.node.append(onnx.helper.make_node("ReduceSum", ["huge"], ["sum"], keepdims=0))
    model.graph.output.append(onnx.helper.make_tensor_value_info("sum", onnx.TensorProto.FLOAT, []))
    onnx.save(model, folder / "model.onnx")


def put_weights_elsewhere(folder):
    model = onnx.load(folder / "model.onnx")
    (folder.parent.parent / "weights.bin").write_bytes(external(model, "../../weights.bin"))
    onnx.save(model, folder / "model.onnx")


def replace_in_xml(old, new):
    def change(folder):
        text = (folder / "model.xml").read_text()
        assert old in text
        (folder / "model.xml").write_text(text.replace(old, new))

    return change


def pass_off_onnx_as_xml(folder):
    shutil.copy(folder.parent / "export_fp32" / "model.onnx", folder / "model.xml")


def empty_pair_network(folder):
    save_file({"x": np.zeros(3, "f4")}, folder / "links.safetensors")


@pytest.mark.parametrize(
    ("precision", "change", "message"),
    [
        ("bf16", lambda folder: (folder / "model.bin").write_bytes(b"abc"), "weights"),
        ("bf16", replace_in_xml('type="Convert" version="opset1"', 'type="Evil" version="extension"'), "unsupported opset"),
        ("bf16", replace_in_xml('shape="1, 1, 1"', 'shape="99999, 99999, 99999"'), ""),
        ("bf16", replace_in_xml("input_ids", "other"), "KeyError"),
        ("bf16", pass_off_onnx_as_xml, "model.xml is not XML"),
        ("bf16", empty_pair_network, "tag.weight"),
        ("fp32", put_weights_elsewhere, "escapes model directory"),
        ("fp32", ask_for_memory, "memory"),
        ("fp32", rename_output, "emissions"),
    ],
    ids=["cut", "operation", "shape", "input", "kind of file", "link head", "outside", "memory", "output"],
)
def test_an_export_with_a_right_manifest_that_does_not_do_its_work_is_refused_before_any_article(
    exported, tmp_path, precision, change, message
):
    path = tmp_path / "checkpoint"
    shutil.copytree(exported, path)
    folder = choice.export_folder(path, precision)
    change(folder)
    (folder / "manifest.json").unlink()
    write_manifest(folder)
    with pytest.raises(
        CheckpointError, match=rf"(?s)export_{precision}: cannot be loaded .*{message}.*\nremove it and run `eventtag export"
    ):
        Tagger.load(path, precision=precision)


def test_a_precision_that_is_not_there_is_named(checkpoint):
    with pytest.raises(SettingsError, match=r"precision=int8: .* was not exported so; run `eventtag export"):
        Tagger.load(checkpoint, precision="int8")
    with pytest.raises(SettingsError, match="precision=fp16 is not allowed: one of auto, fp32, bf16, int8"):
        Tagger.load(checkpoint, precision="fp16")


def test_the_fastest_precision_is_measured_once_and_only_among_faithful_exports(exported, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    speeds = {"fp32": 1.0, "bf16": 2.0, "int8": 3.0}
    monkeypatch.setattr(choice, "tokens_per_second", lambda backend, _: speeds[backend.precision])
    caplog.set_level("INFO", logger="eventtag")
    assert choice.choose_precision(exported, "auto") == "fp32"
    assert "not int8: its spans were checked against only 48 of float32's, and 100 are asked for" in caplog.text
    monkeypatch.setattr(choice, "LEAST_SPANS", 48)
    assert choice.choose_precision(exported, "auto") == "int8"
    monkeypatch.setattr(choice, "tokens_per_second", None)
    assert Tagger.load(exported, precision="auto").about["precision"] == "int8"

    unfaithful = tmp_path / "unfaithful"
    shutil.copytree(exported, unfaithful)
    record = choice.export_folder(unfaithful, "int8") / "export.json"
    content = json.loads(record.read_text())
    content["verdict"]["agreement"] = 0.99
    record.write_text(json.dumps(content))
    monkeypatch.setattr(choice, "tokens_per_second", lambda backend, _: speeds[backend.precision])
    assert choice.choose_precision(unfaithful, "auto") == "bf16"


@pytest.mark.parametrize(
    ("record", "chosen", "said"),
    [
        ({}, "fp32", "does not record that its spans were checked"),
        (
            {"bf16": {"agreement": 0.98, "spans": 500, "articles": 9, "device": "cpu"}},
            "fp32",
            "it found 98.0 % of float32's spans",
        ),
        ({"bf16": {"agreement": 1.0, "spans": 4, "articles": 1, "device": "cpu"}}, "fp32", "against only 4"),
        ({"bf16": {"agreement": 1.0, "spans": 500, "articles": 9, "device": "cuda"}}, "fp32", "on cuda, and this is cpu"),
        ({"bf16": {"agreement": 0.999, "spans": 500, "articles": 9, "device": "cpu"}}, "bf16", "bf16, the fastest here"),
    ],
)
def test_auto_takes_bfloat16_only_where_the_checkpoint_records_that_it_agrees(
    checkpoint, tmp_path, monkeypatch, caplog, record, chosen, said
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(choice, "may_have_gpu", lambda: False)
    monkeypatch.setattr(choice, "tokens_per_second", lambda backend, _: 1.0 + (backend.precision == "bf16"))
    path = tmp_path / "checkpoint"
    shutil.copytree(checkpoint, path)
    content = json.loads((path / "eventtag.json").read_text())
    (path / "eventtag.json").write_text(json.dumps({**content, "agreement": record}))
    (path / "manifest.json").unlink()
    write_manifest(path)
    caplog.set_level("INFO", logger="eventtag")
    for _ in range(2):  # measured, and remembered
        caplog.clear()
        assert choice.choose_precision(path, "auto") == chosen
        assert [line for line in caplog.messages if line.startswith(f"precision=auto: {chosen}")]
        assert said in caplog.text


def test_training_records_how_well_bfloat16_agrees(checkpoint):
    record = load_checkpoint(checkpoint).info.agreement
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        assert record == {}
        return
    found = record["bf16"]
    assert (found["device"], found["articles"]) == ("cpu", 4)
    assert found["spans"] > 0
    assert 0 <= found["agreement"] <= 1


def test_a_choice_that_cannot_be_remembered_is_made_all_the_same(exported, tmp_path, monkeypatch):
    (tmp_path / "eventtag").write_text("a file where the folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(choice, "LEAST_SPANS", 48)
    monkeypatch.setattr(choice, "tokens_per_second", lambda backend, _: 1.0 + (backend.precision == "bf16"))
    assert choice.choose_precision(exported, "auto") == "bf16"


def test_without_a_run_beside_the_checkpoint_the_command_asks_for_articles(run_export, checkpoint, tmp_path):
    shutil.copytree(checkpoint, tmp_path / "checkpoint")
    code, _, errors = run_export(tmp_path / "checkpoint")
    assert code == 1
    assert "give them by --data" in errors
