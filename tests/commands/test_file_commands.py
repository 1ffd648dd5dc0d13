"""eventtag split, lint, stats and agreement: what they print, write and answer."""

import argparse
import importlib
import json
import sys
from dataclasses import replace

import pytest

from eventtag.article import Article
from eventtag.cli.main import main
from eventtag.formats.registry import read_articles, write_articles
from eventtag.ledger import LossLedger
from eventtag.span import Span

FILLER = " ".join(f"word{n}" for n in range(40))


@pytest.fixture
def run(monkeypatch, capsys):
    def call(command: str, *arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", [f"eventtag {command}", *map(str, arguments)])
        code = importlib.import_module(f"eventtag.cli.commands.{command}").run()
        output = capsys.readouterr()
        return code, output.out, output.err

    return call


@pytest.fixture
def corpus(tmp_path):
    spans = (Span(0, 4, "LOC"), Span(5, 9, "EV"))
    articles = []
    for n in range(30):
        own_words = " ".join(f"w{n}x{i}" for i in range(30))
        articles.append(Article(f"a{n}", f"Kyiv fell on day{n} {own_words}", spans, meta={"topic": n % 6}))
    articles.append(Article("copy", articles[0].text + " again", articles[0].spans, meta={"topic": 5}))
    write_articles(articles, tmp_path / "in.jsonl", "jsonl", ledger=LossLedger())
    return tmp_path / "in.jsonl"


def test_split_marks_every_article_and_prints_what_leaks(run, corpus, tmp_path):
    code, output, _ = run("split", corpus, tmp_path / "out.jsonl", "--group", "topic", "--test", "0.2")
    assert code == 0
    split_of = {a.id: a.meta["split"] for a in read_articles(tmp_path / "out.jsonl", ledger=LossLedger())}
    assert set(split_of.values()) == {"train", "validation", "test"}
    assert split_of["copy"] == split_of["a0"]
    assert "grouped by topic; near-duplicates together" in output
    assert "near-duplicate pairs across splits" in output
    assert "1 near-duplicate pairs in 1 clusters" in output
    again = run("split", corpus, tmp_path / "again.jsonl", "--group", "topic", "--test", "0.2")
    assert again[1] == output
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "out.jsonl").read_bytes()


def test_split_refuses_what_cannot_be(run, corpus, tmp_path):
    assert run("split", corpus, corpus)[2].startswith(f"error: {corpus} exists already")
    code, _, error = run("split", corpus, tmp_path / "o.jsonl", "--test", "0.9")
    assert code == 1
    assert "give shares from 0 that leave some for train" in error
    code, _, error = run("split", corpus, tmp_path / "o.jsonl", "--time", "date")
    assert code == 1
    assert "article 'a0': has no such field" in error
    assert not (tmp_path / "o.jsonl").exists()


def test_split_writes_nothing_where_a_second_annotators_spans_would_be_dropped_unasked(run, tmp_path):
    values = [{"start": 0, "end": 4, "text": "Kyiv", "labels": [label]} for label in ("A", "B")]
    results = [[{"type": "labels", "to_name": "text", "value": value}] for value in values]
    annotations = [{"completed_by": number, "result": result} for number, result in enumerate(results)]
    tasks = [{"id": n, "data": {"text": f"Kyiv fell {n}"}, "annotations": annotations} for n in range(4)]
    (tmp_path / "in.json").write_text(json.dumps(tasks))
    code, _, error = run("split", tmp_path / "in.json", tmp_path / "o.jsonl")
    assert code == 1
    assert "4 of 8 spans would be dropped" in error
    assert "annotations=first" in error
    assert not (tmp_path / "o.jsonl").exists()
    assert run("split", tmp_path / "in.json", tmp_path / "o.jsonl", "--read-option", "annotations=first")[0] == 0
    spans = [span for article in read_articles(tmp_path / "o.jsonl", ledger=LossLedger()) for span in article.spans]
    assert [span.label for span in spans] == ["A"] * 4


def test_lint_prints_writes_and_repairs(run, tmp_path):
    broken = [Article("a", f"Kyiv fell {FILLER}", (Span(0, 5, "LOC"), Span(5, 9, "EV")))]
    write_articles(broken, tmp_path / "in.jsonl", "jsonl", ledger=LossLedger())
    code, output, _ = run("lint", tmp_path / "in.jsonl", "--json", tmp_path / "f.jsonl", "--fix", tmp_path / "fixed.jsonl")
    assert code == 1
    assert (
        "error: white space at edge (1) - trimmed by --fix\n  a  LOC 0-5: begins or ends with white space\n      [Kyiv] fell"
        in output
    )
    records = [json.loads(line) for line in (tmp_path / "f.jsonl").read_text().splitlines()]
    assert records[0]["rule"] == "white space at edge"
    assert records[0]["fixable"] is True
    code, output, _ = run("lint", tmp_path / "fixed.jsonl")
    assert code == 0
    assert "rare label (2)" in output
    assert run("lint", tmp_path / "fixed.jsonl", "--fail-on", "warning")[0] == 1
    assert run("lint", tmp_path / "in.jsonl", "--fail-on", "never")[0] == 0


def test_stats_print_tables_and_write_json_and_a_page_that_hostile_text_cannot_use(run, tmp_path):
    hostile = "<script>alert(1)</script>"
    articles = [Article("a", f"{hostile} fell", (Span(0, len(hostile), "LOC"),), meta={"split": "train"})]
    write_articles(articles, tmp_path / "in.jsonl", "jsonl", ledger=LossLedger())
    code, output, _ = run("stats", tmp_path / "in.jsonl", "--json", tmp_path / "s.json", "--html", tmp_path / "s.html")
    assert code == 0
    assert "train  LOC        1" in output
    assert json.loads((tmp_path / "s.json").read_text())["splits"]["train"]["labels"]["LOC"]["spans"] == 1
    page = (tmp_path / "s.html").read_text()
    assert "<script" not in page
    assert "default-src 'none'" in page


def test_agreement_prints_figures_and_writes_disagreements(run, tmp_path):
    for name, end in (("a", 4), ("b", 9)):
        article = Article("x", "Kyiv fell again", (Span(0, end, "LOC"),))
        write_articles([article], tmp_path / f"{name}.jsonl", "jsonl", ledger=LossLedger())
    code, output, _ = run("agreement", tmp_path / "a.jsonl", tmp_path / "b.jsonl", "--json", tmp_path / "o.json")
    assert code == 0
    assert "LOC    1  1     0            1      0.000       0.500" in output
    assert "  x: boundary: LOC 0-4 / LOC 0-9\n      Kyiv fell again" in output
    record = json.loads((tmp_path / "o.json").read_text())
    assert record["A / B"]["disagreements"][0]["b"] == {"start": 0, "end": 9, "label": "LOC"}


def test_agreement_of_all_annotators_of_one_export(run, tmp_path):
    def annotation(who: int, end: int) -> dict:
        value = {"start": 0, "end": end, "text": "Kyiv fell"[:end], "labels": ["LOC"]}
        return {"completed_by": who, "result": [{"type": "labels", "value": value}]}

    tasks = [{"id": 1, "data": {"text": "Kyiv fell"}, "annotations": [annotation(1, 4), annotation(2, 4), annotation(3, 9)]}]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    code, output, _ = run(
        "agreement", tmp_path / "export.json", "--read-option", "annotations=each", "--json", tmp_path / "o.json"
    )
    assert code == 0
    assert "1 / 2\n" in output
    record = json.loads((tmp_path / "o.json").read_text())
    assert {pair: figures["micro"]["strict_f1"] for pair, figures in record.items()} == {"1 / 2": 1.0, "1 / 3": 0.0, "2 / 3": 0.0}
    code, _, error = run("agreement", tmp_path / "export.json")
    assert code == 1
    assert "meta field 'annotator' names 0 annotators; two are needed" in error


def test_three_annotators_with_labels_and_articles_of_their_own_are_compared_pair_by_pair(run, tmp_path):
    rows = [("1@ana", "ana", "LOC"), ("1@ben", "ben", "LOC"), ("2@ana", "ana", "EV"), ("2@cy", "cy", "EV")]
    articles = [Article(name, "Kyiv fell again", (Span(0, 4, label),), meta={"annotator": who}) for name, who, label in rows]
    write_articles(articles, tmp_path / "all.jsonl", "jsonl", ledger=LossLedger())
    code, output, error = run("agreement", tmp_path / "all.jsonl", "--labels", "LOC, EV", "--json", tmp_path / "o.json")
    assert (code, error) == (0, "")
    assert "ben / cy\n\nno article in common" in output
    record = json.loads((tmp_path / "o.json").read_text())
    assert record["ben / cy"] is None
    assert record["ana / ben"]["labels"]["EV"]["strict_f1"] is None
    assert record["ana / cy"]["labels"]["EV"]["strict_f1"] == 1.0


@pytest.mark.parametrize("command", ["split", "sample", "stats", "agreement", "lint"])
def test_a_missing_file_is_a_short_message(run, command, tmp_path):
    more = {"split": [tmp_path / "o.jsonl"], "sample": [tmp_path / "o.jsonl", "--n", 2], "agreement": [tmp_path / "none"]}.get(
        command, []
    )
    code, _, error = run(command, tmp_path / "none", *more)
    assert code == 1
    assert "none: no such file or folder; check the path" in error


@pytest.mark.parametrize("command", ["split", "sample", "plan", "stats", "agreement", "lint", "convert"])
def test_help_names_every_argument(run, command, capsys):
    with pytest.raises(SystemExit) as ended:
        run(command, "--help")
    assert ended.value.code == 0
    assert f"usage: eventtag {command}" in capsys.readouterr().out


def test_lint_lists_what_a_checkpoint_says_otherwise(run, articles, corpus_file, checkpoint, tmp_path):
    wrong = replace(articles[0].spans[0], label="LOCATION")
    spoilt = [replace(a, spans=(wrong, *a.spans[1:])) if a.id == "a0" else a for a in articles]
    write_articles(spoilt, tmp_path / "in.jsonl", "jsonl", ledger=LossLedger())
    code, output, errors = run(
        "lint", tmp_path / "in.jsonl", "--checkpoint", checkpoint, "--rule", "likely error", "--json", tmp_path / "findings"
    )
    assert code == 0, errors
    (finding,) = [row for line in (tmp_path / "findings").open() if (row := json.loads(line))["rule"] == "likely error"]
    assert (finding["article_id"], finding["start"], finding["end"], finding["label"]) == (
        "a0",
        wrong.start,
        wrong.end,
        "LOCATION",
    )
    assert "is LOCATION, the model says ACTOR" in output
    assert "not judged: 16 articles that" in errors  # the wrong article is not in train
    code, _, errors = run("lint", tmp_path / "in.jsonl", "--checkpoint", checkpoint, "--seen", "include")
    assert code == 0
    assert "learnt from 16 of these articles, errors included" in errors
    write_articles([a for a in spoilt if a.meta["split"] == "train"], tmp_path / "train.jsonl", "jsonl", ledger=LossLedger())
    code, _, errors = run("lint", tmp_path / "train.jsonl", "--checkpoint", checkpoint)
    assert (code, "learnt from all of the 16 articles" in errors, "--cross-validate" in errors) == (1, True, True)


def test_lint_takes_one_way_of_judging_and_says_what_it_needs(run, corpus_file, checkpoint, monkeypatch):
    code, _, errors = run("lint", corpus_file, "--checkpoint", checkpoint, "--cross-validate", 3)
    assert (code, "give one of them" in errors) == (1, True)
    code, _, errors = run("lint", corpus_file, "--cross-validate", 3, "--train", "trainer.epocs=1")
    assert (code, "trainer.epocs" in errors) == (1, True)
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    code, _, errors = run("lint", corpus_file, "--checkpoint", checkpoint)
    assert (code, "pip install 'eventtag[lint]'" in errors) == (1, True)


def test_lint_cross_validates(run, corpus_file):
    tiny = ["model=tiny", "trainer.epochs=1", "window.max_length=24", "window.stride=6"]
    code, output, errors = run("lint", corpus_file, "--cross-validate", 2, *(a for key in tiny for a in ("--train", key)))
    assert code == 0, errors
    assert "in 24 articles with 288 spans" in output


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("lint", "--max-words", -1), "--max-words: '-1' is not allowed; give a whole number from 1 on"),
        (("lint", "--max-words", 0), "from 1 on"),
        (("lint", "--max-words", "many"), "--max-words: 'many' is not allowed"),
        (("lint", "--show", -1), "--show: '-1' is not allowed; give a whole number from 0 on"),
        (("lint", "--cross-validate", 0), "--cross-validate: '0' is not allowed; give a whole number from 2 on"),
        (("lint", "--cross-validate", 1), "from 2 on"),
        (("lint", "--rule", "typo"), "--rule: there is no rule 'typo'; found: "),
        (("lint", "--rule", "likely error"), "a model finds these"),
        (("lint", "--train", "seed=1"), "sets what --cross-validate K trains"),
        (("lint", "--checkpoint", ""), "--checkpoint: is empty"),
        (("lint", "--json", ""), "--json: is empty"),
        (("lint", "--fix", " "), "--fix: is empty"),
        (("lint", "--drop", "NOPE"), "--drop: there is no label 'NOPE'; found: EV, LOC"),
        (("lint", "--from", ""), "--from: is empty"),
        (("split", "OUT", "--test", "1.5"), "--test: '1.5' is not a share; give a number from 0 to 1"),
        (("split", "OUT", "--test", "nan"), "--test: 'nan' is not a share"),
        (("split", "OUT", "--validation", "-0.1"), "--validation: '-0.1' is not a share"),
        (("split", "OUT", "--seed", -1), "--seed: '-1' is not allowed"),
        (("split", "OUT", "--group", "nope"), "--group: there is no metadata field 'nope'; found: topic"),
        (("split", "OUT", "--time", ""), "--time: is empty"),
        (("split", "OUT", "--map", "NOPE=X"), "--map: there is no label 'NOPE'; found: EV, LOC"),
        (("stats", "--split-field", "nope"), "--split-field: there is no metadata field 'nope'; found: topic"),
        (("stats", "--html", ""), "--html: is empty"),
        (("agreement", "IN", "--labels", "FOO"), "--labels: there is no label 'FOO'; found: EV, LOC"),
        (("agreement", "IN", "--labels", "EV,"), "--labels: there is no label ''"),
        (("agreement", "IN", "--labels", ""), "--labels: is empty"),
        (("agreement", "IN", "--show", -3), "--show: '-3' is not allowed"),
        (("agreement", "IN", "--annotator-field", "who"), "leave it out, or leave out B"),
        (("agreement", "IN", "--drop", "NOPE"), "--drop: there is no label 'NOPE'; found: EV, LOC"),
    ],
)
def test_numbers_out_of_range_and_names_that_are_nowhere_are_errors(run, corpus, tmp_path, arguments, problem):
    command, *rest = arguments
    before = set(tmp_path.iterdir())
    places = {"OUT": tmp_path / "out.jsonl", "IN": corpus}
    code, output, error = run(command, corpus, *(places.get(argument, argument) for argument in rest))
    assert code == 1
    assert problem in error
    assert output == ""
    assert set(tmp_path.iterdir()) == before


def test_a_label_of_one_annotator_alone_can_be_compared_and_mapped(run, tmp_path):
    for name, label in (("a.jsonl", "LOC"), ("b.jsonl", "EV")):
        write_articles([Article("a", "Kyiv fell", (Span(0, 4, label),))], tmp_path / name, "jsonl", ledger=LossLedger())
    code, output, _ = run("agreement", tmp_path / "a.jsonl", tmp_path / "b.jsonl", "--map", "EV=LOC", "--labels", "LOC")
    assert code == 0
    assert "LOC" in output


def test_splits_that_are_numbers_are_counted_one_by_one(run, tmp_path):
    articles = [Article(f"{n}", "Kyiv fell", (Span(0, 4, "LOC"),), meta={"fold": n}) for n in range(3)]
    write_articles(articles, tmp_path / "in.jsonl", "jsonl", ledger=LossLedger())
    output = run("stats", tmp_path / "in.jsonl", "--split-field", "fold")[1]
    assert [line.split()[0] for line in output.splitlines()[2:5]] == ["0", "1", "2"]


HOSTILE = "\x1b]52;c;cm0gLXJm\x07\x1b[2J\x9b2J\u202e\r"


@pytest.mark.parametrize(
    "arguments",
    [
        ("stats", "in.jsonl"),
        ("stats", "in.jsonl", "--split-field", HOSTILE, "--json", "made.json"),
        ("lint", "in.jsonl", "--json", "made.json", "--show", 50),
        ("split", "in.jsonl", "made.jsonl", "--keep-duplicates-apart", "--group", HOSTILE),
        ("split", "in.jsonl", "made.jsonl", "--keep-duplicates-apart", "--time", HOSTILE),
        ("agreement", "in.jsonl", "other.jsonl", "--json", "made.json", "--show", 50),
        ("agreement", "other.jsonl", "--annotator-field", f"x{HOSTILE}"),
        ("convert", "in.jsonl", "made", "--to", "conll", "--ledger", "made.json"),
        ("convert", "in.jsonl", "made", "--to", HOSTILE),
        ("lint", f"in{HOSTILE}.jsonl"),
    ],
)
def test_nothing_in_a_corpus_reaches_the_terminal_as_a_command(run, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, end in (("in.jsonl", 4), ("other.jsonl", 5)):
        articles = [
            Article(
                f"{HOSTILE}{n}",
                f"Kyiv{HOSTILE} fell {HOSTILE} {FILLER} w{n}",
                (Span(0, end, f"LOC{HOSTILE}"), Span(2, 9 + n, HOSTILE)),
                meta={"split": HOSTILE, HOSTILE: f"{HOSTILE}{n % 3}", "annotator": HOSTILE},
            )
            for n in range(6)
        ]
        write_articles(articles, tmp_path / name, "jsonl", ledger=LossLedger())
    _, output, error = run(*arguments)
    written = [path.read_text() for path in tmp_path.glob("made.json")]
    for text in (output, error, *written):
        assert not set("\x1b\x07\x9b\u202e\r") & set(text)
    assert any("u009b" in text or r"\x9b" in text for text in (output, error, *written))


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """A folder with the corpus `mine`: brat-like labels that are mapped, overlapping spans, and a field that says the split."""
    spans = (Span(0, 4, "GPE"), Span(0, 9, "Happening"), Span(5, 9, "Noise"))
    articles = [
        Article(
            f"a{n}",
            f"Kyiv fell on {' '.join(f'w{n}x{i}' for i in range(30))}",
            spans,
            meta={"part": "dev" if n % 4 == 0 else "rest"},
        )
        for n in range(12)
    ]
    write_articles(articles, tmp_path / "in.jsonl", "jsonl", ledger=LossLedger())
    (tmp_path / "configs" / "data").mkdir(parents=True)
    (tmp_path / "configs" / "data" / "mine.yaml").write_text(
        f"defaults: [corpus, _self_]\nname: mine\npath: {tmp_path / 'in.jsonl'}\noverlaps: longest\n"
        "label_map: {GPE: LOCATION, Happening: EVENT, Noise: null}\n"
        "split_field: part\nsplits: {train: ['*'], validation: [dev]}\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_file_commands_read_a_configured_corpus_with_its_labels_overlaps_and_splits(run, configured):
    assert run("convert", "data=mine", "all.jsonl")[0] == 0
    labels = {span.label for article in read_articles("all.jsonl", ledger=LossLedger()) for span in article.spans}
    assert labels == {"LOCATION", "EVENT"}
    code, _, said = run("convert", "data=mine", "flat.conll")
    assert code == 0
    assert "overlapping spans: longest stays, as mine has it" in said
    assert {span.label for article in read_articles("flat.conll", ledger=LossLedger()) for span in article.spans} == {"EVENT"}
    _, output, _ = run("stats", "data=mine")
    assert [line.split()[:2] for line in output.splitlines()[2:4]] == [["train", "9"], ["validation", "3"]]
    assert "GPE" not in run("lint", "data=mine", "data.label_map={GPE: LOCATION, Happening: EVENT, Noise: EVENT}")[1]
    code, _, said = run(
        "split", "data=mine", "data.path=all.jsonl", "+data.label_map.LOCATION=EVENT", "+data.label_map.EVENT=EVENT", "s.csv"
    )
    assert code == 0, said
    assert {article.meta["split"] for article in read_articles("s.csv", ledger=LossLedger())} > {"train"}
    code, output, _ = run("agreement", "data=mine", "all.jsonl")
    assert (code, "12 articles; only in A: 0" in output) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["data=mien"], "error: data=mien: there is no such configuration"),
        (
            ["data=mine", "--map", "GPE=PLACE"],
            "error: data=mine: a corpus has its own format, options and labels; in place of --from",
        ),
        (["data=mine", "--from", "jsonl"], "set data.format, data.options and data.label_map"),
        (["data=mine", "data.label_map.NEW=X"], "is a new key of a mapping; write +data.label_map.NEW=..."),
        (["data=mine", "data.foo=1"], "error: data.foo: there is no such key"),
        (["data.split_field=part"], "error: data.split_field=part: belongs to no corpus"),
    ],
)
def test_a_mistake_in_choosing_a_corpus_is_answered(run, configured, arguments, problem):
    code, _, error = run("stats", *arguments)
    assert (code, problem in error) == (1, True), error


@pytest.mark.parametrize("command", ["convert", "split", "count", "records"])
def test_a_setting_of_another_command_is_not_taken_for_a_file(run, corpus, tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    code, _, error = run(command, corpus, "output=out.jsonl")
    assert code == 1
    assert error.startswith(f"error: this command does not take settings such as output=out.jsonl\nusage: eventtag {command} ")
    assert sorted(tmp_path.iterdir()) == before


def test_outputs_have_the_format_of_their_suffix(run, corpus, tmp_path):
    assert run("split", corpus, tmp_path / "out.parquet")[0] == 0
    found = {a.meta["split"] for a in read_articles(tmp_path / "out.parquet", ledger=LossLedger())}
    assert found == {"train", "validation", "test"}
    assert run("lint", corpus, "--fix", tmp_path / "fixed.csv")[0] == 0
    assert len(list(read_articles(tmp_path / "fixed.csv", "csv", ledger=LossLedger()))) == 31
    for command in (["split", corpus, tmp_path / "out.xlsx"], ["lint", corpus, "--fix", tmp_path / "out.xlsx"]):
        code, _, error = run(*command)
        assert (code, "the suffix .xlsx stands for no format" in error) == (1, True)
        assert not (tmp_path / "out.xlsx").exists()
    code, _, error = run("split", corpus, tmp_path / "out.conll")
    assert (code, "out.conll: its format holds no metadata, in which the split stands" in error) == (1, True)
    assert not (tmp_path / "out.conll").exists()


@pytest.mark.parametrize("command", [("stats", "a"), ("job", "status", "a"), ("fetch", "re3d", "--nothing")], ids=lambda c: c[0])
def test_names_of_files_in_errors_of_the_command_line_are_safe_for_a_terminal(monkeypatch, capsys, command):
    """The shell puts them there for `*.jsonl`."""
    monkeypatch.setattr(argparse.ArgumentParser, "error", argparse.ArgumentParser.error)  # as it was, at the end
    monkeypatch.setattr(sys, "argv", ["eventtag", *command, "\x1b]52;c;x\x07.jsonl", "\x9b2J.jsonl"])
    with pytest.raises(SystemExit) as stopped:
        main()
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert "\\u009b2J.jsonl" in error
    assert error.replace("\n", "").isprintable()
