import json
import subprocess
import sys

import pytest

from eventtag.cli.commands import convert


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["eventtag convert", *map(str, arguments)])
        code = convert.run()
        return code, capsys.readouterr().err

    return call


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.jsonl"
    spans = [{"start": 0, "end": 4, "label": "LOC_GEO"}, {"start": 5, "end": 9, "label": "TIME"}]
    path.write_text(json.dumps({"id": "a", "text": "Kyiv fell", "spans": spans}) + "\n")
    return path


def test_articles_are_converted_and_labels_mapped(run, source, tmp_path):
    code, output = run(source, tmp_path / "out.conll", "--to", "conll", "--map", "LOC_*=LOCATION", "--drop", "TIME")
    assert code == 0
    assert (tmp_path / "out.conll").read_text() == "-DOCSTART- (a)\n\nKyiv\tB-LOCATION\nfell\tO\n\n"
    assert "the project's JSONL (each line is a JSON object" in output
    assert "1 span dropped at mapping labels: TIME maps to nothing (as configured)" in output
    assert "out.conll: 1 articles, 1 spans" in output


def test_the_tag_scheme_that_was_recognised_is_stated(run, tmp_path):
    (tmp_path / "in.conll").write_text("Kyiv I-LOC\nLviv B-LOC\nfell O\n")
    _, output = run(tmp_path / "in.conll", tmp_path / "out.jsonl", "--to", "jsonl")
    assert "recognised: 2 columns separated by spaces, IOB1 tags, articles by empty lines" in output


def test_labels_that_no_map_names_keep_theirs(run, source, tmp_path):
    run(source, tmp_path / "out.jsonl", "--to", "jsonl", "--map", "LOC_*=LOCATION")
    assert [span["label"] for span in json.loads((tmp_path / "out.jsonl").read_text())["spans"]] == ["LOCATION", "TIME"]


def test_an_unasked_loss_is_an_error_and_nothing_is_written(run, tmp_path):
    source = tmp_path / "in.jsonl"
    spans = [{"start": 0, "end": 4, "label": "X"}, {"start": 0, "end": 9, "label": "Y"}]
    source.write_text(json.dumps({"id": "a", "text": "Kyiv fell", "spans": spans}) + "\n")
    code, output = run(source, tmp_path / "out.conll", "--to", "conll", "--ledger", tmp_path / "ledger.jsonl")
    assert code == 1
    assert "1 of 2 spans would be dropped, the first at writing conll in article 'a' (X 0-4: overlaps a longer span)" in output
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.jsonl", "ledger.jsonl"]
    assert json.loads((tmp_path / "ledger.jsonl").read_text())["reason"] == "overlaps a longer span"
    assert run(source, tmp_path / "out.conll", "--to", "conll", "--max-loss", "0.5")[0] == 0


@pytest.mark.parametrize(("policy", "label"), [("longest", "Y"), ("innermost", "X"), ("priority:X, Y", "X")])
def test_overlaps_are_resolved_as_asked(run, tmp_path, policy, label):
    source = tmp_path / "in.jsonl"
    spans = [{"start": 0, "end": 4, "label": "X"}, {"start": 0, "end": 9, "label": "Y"}]
    source.write_text(json.dumps({"id": "a", "text": "Kyiv fell", "spans": spans}) + "\n")
    assert run(source, tmp_path / "out.jsonl", "--to", "jsonl", "--overlaps", policy)[0] == 0
    assert [span["label"] for span in json.loads((tmp_path / "out.jsonl").read_text())["spans"]] == [label]


def test_an_overlap_can_be_refused(run, tmp_path):
    source = tmp_path / "in.jsonl"
    spans = [{"start": 0, "end": 4, "label": "X"}, {"start": 0, "end": 9, "label": "Y"}]
    source.write_text(json.dumps({"id": "a", "text": "Kyiv fell", "spans": spans}) + "\n")
    code, output = run(source, tmp_path / "out.jsonl", "--to", "jsonl", "--overlaps", "error")
    assert code == 1
    assert "article 'a': span X 0-4 overlaps Y 0-9" in output


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--to", "word"], "unknown format 'word'"),
        (["--to", "conll", "--overlaps", "some"], "overlaps: 'some' is unknown"),
        (["--to", "conll", "--overlaps", "priority"], "needs the labels in their order"),
        (["--to", "conll", "--map", "X"], "--map: 'X' is not KEY=VALUE"),
        (["--to", "conll", "--read-option", "x=1"], "format jsonl has no option 'x'"),
        (["--to", "conll", "--write-option", "scheme=IOB9"], "scheme: 'IOB9' is unknown"),
        (["--to", "conll", "--max-loss", "2"], "--max-loss: '2' is not a share"),
        (["--to", "conll", "--max-loss", "nan"], "--max-loss: 'nan' is not a share"),
        (["--to", "conll", "--map", "NOPE=X"], "--map: there is no label 'NOPE'; found: "),
        (["--to", "conll", "--drop", "NOPE*"], "--drop: there is no label 'NOPE*'; found: "),
        (["--to", "conll", "--overlaps", "priority:NOPE"], "--overlaps: there is no label 'NOPE'; found: "),
        (["--to", "conll", "--overlaps", "longest:X"], "--overlaps: longest takes no labels"),
        (["--to", "conll", "--ledger", ""], "--ledger: is empty"),
        (["--to", ""], "--to: is empty"),
    ],
)
def test_a_wrong_argument_is_a_short_message(run, source, tmp_path, arguments, problem):
    code, output = run(source, tmp_path / "out", *arguments)
    assert code == 1
    assert problem in output
    assert not (tmp_path / "out").exists()


def test_nothing_that_exists_is_overwritten(run, source, tmp_path):
    (tmp_path / "out.conll").write_text("mine")
    code, output = run(source, tmp_path / "out.conll", "--to", "conll")
    assert code == 1
    assert "exists already" in output
    assert (tmp_path / "out.conll").read_text() == "mine"


def test_the_command_does_not_import_torch():
    code = "import sys, eventtag.cli.commands.convert; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_format_of_the_output_is_that_of_its_suffix_and_an_unknown_suffix_is_an_error(run, source, tmp_path):
    assert run(source, tmp_path / "out.conll", "--drop", "TIME")[0] == 0
    assert (tmp_path / "out.conll").read_text().startswith("-DOCSTART-")
    for name, problem in (("out.xlsx", "the suffix .xlsx stands for no format"), ("out.json", "stands for several formats")):
        code, error = run(source, tmp_path / name)
        assert (code, problem in error) == (1, True)
        assert not (tmp_path / name).exists()


def test_a_label_that_the_interface_cannot_hold_is_refused_before_anything_is_written(run, tmp_path):
    source = tmp_path / "in.jsonl"
    spans = [{"start": 0, "end": 4, "label": "LOC\x00"}]
    source.write_text(json.dumps({"id": "a", "text": "Kyiv fell", "spans": spans}) + "\n")
    code, output = run(source, tmp_path / "tasks.json", "--to", "label_studio")
    assert code == 1
    assert "holds a character that XML cannot; map it to another" in output
    assert [file.name for file in tmp_path.iterdir()] == ["in.jsonl"]
    assert run(source, tmp_path / "tasks.json", "--to", "label_studio", "--map", "LOC*=LOC")[0] == 0
