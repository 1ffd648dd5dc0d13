"""The functions of `eventtag`: settings, keyword arguments or objects in, results out."""

import json
import subprocess
from dataclasses import replace

import pytest
from conftest import make_article, trained_settings
from warm import warm_programs

import eventtag
from eventtag.formats.jsonl import json_line
from eventtag.settings import EvaluateSettings, TrainSettings
from eventtag.settings.data import DataSettings

FEW = {"resamples": 100}


@pytest.fixture
def gold_file(articles, tmp_path):
    path = tmp_path / "gold.jsonl"
    path.write_text("".join(json_line(a) + "\n" for a in articles if a.meta["split"] == "test"), encoding="utf-8")
    return path


def test_evaluate_takes_a_run_a_path_or_objects_and_gives_the_same_scores(trained_run, articles, gold_file, tmp_path):
    by_path = eventtag.evaluate(str(trained_run), str(gold_file), evaluation=FEW)
    assert by_path.folder is None
    settings = EvaluateSettings(
        str(trained_run / "checkpoint"), DataSettings(path=str(gold_file)), run_dir=str(tmp_path / "scores")
    )
    by_settings = eventtag.evaluate(settings, evaluation=FEW)
    tagger = eventtag.Tagger.load(trained_run)
    by_objects = eventtag.evaluate(tagger, [a for a in articles if a.meta["split"] == "test"], evaluation=FEW)
    assert by_path.f1 == by_settings.f1 == by_objects.f1 > 0.5
    assert (tmp_path / "scores" / "report.html").exists()
    table = by_path.to_pandas()
    micro = table[(table.scheme == "strict") & (table.label == "micro")].iloc[0]
    assert micro.f1 == by_path.f1
    assert micro.support == sum(len(a.spans) for a in articles if a.meta["split"] == "test")
    assert repr(by_path) == f"EvaluationResult(corpus all, 4 articles, micro F1 {by_path.f1:.3f})"


def test_evaluate_without_data_takes_the_articles_of_the_run(trained_run):
    assert eventtag.evaluate(trained_run, evaluation=FEW).split == "test"


def test_evaluate_leaves_out_what_the_checkpoint_learnt_from(trained_run, articles):
    assert eventtag.evaluate(trained_run, articles, evaluation=FEW).report.articles == 4
    assert eventtag.evaluate(trained_run, articles, evaluation=FEW, seen="include").report.articles == 24


def test_evaluate_says_that_a_checkpoint_predicts_no_links_and_compare_leaves_it_out(trained_run, gold_file, tmp_path):
    gold = [json.loads(line) for line in gold_file.read_text().splitlines()]
    for record in gold:
        spans = [[span["start"], span["end"], span["label"]] for span in record["spans"]]
        record["links"] = [{"event": spans[0], "participant": spans[-1], "role": "AGENT"}]
    linked = tmp_path / "linked.jsonl"
    linked.write_text("".join(json.dumps(record) + "\n" for record in gold))
    result = eventtag.evaluate(trained_run, str(linked), evaluation=FEW, run_dir=str(tmp_path / "scores"))
    assert result.report.events.links is None
    assert any(note.startswith(f"no score for links: {len(gold)} gold articles") for note in result.report.notes)
    assert all("links" not in json.loads(line) for line in (tmp_path / "scores" / "predictions.jsonl").read_text().splitlines())
    compared = eventtag.compare(trained_run, linked, gold=linked, resamples=100)
    assert compared.events.links is None
    assert any("model.links=true" in note for note in compared.events.notes)


def test_train_takes_articles_and_plain_words(articles, tmp_path):
    plain = trained_settings("unused")
    epochs = []
    result = eventtag.train(
        articles,
        tmp_path / "run",
        model={"name": "tiny", "attention_dropout": None},
        window=plain["window"],
        trainer=replace(plain["trainer"], epochs=1),
        evaluation=FEW,
        after_epoch=lambda epoch, scores: epochs.append((epoch, scores["eval_micro_f1"])),
    )
    assert result.checkpoint == tmp_path / "run" / "checkpoint"
    table = result.to_pandas().set_index(["scheme", "label"])
    assert table.loc[("strict", "micro"), "f1"] == result.f1
    assert set(table.loc["strict"].index) == {"ACTOR", "EVENT", "LOCATION", "micro", "macro"}
    assert [epoch for epoch, _ in epochs] == [1.0]
    with pytest.raises(eventtag.EventtagError, match="articles that were given in Python"):
        eventtag.evaluate(result.checkpoint)


def test_train_refuses_what_is_no_article_before_it_begins(tmp_path):
    with pytest.raises(eventtag.EventtagError, match=r"found str; give a path, or objects of eventtag\.Article"):
        eventtag.train(["a text"], tmp_path / "run")
    with pytest.raises(eventtag.EventtagError, match=r"did you mean trainer\.epochs"):
        eventtag.train(TrainSettings(run_dir=str(tmp_path / "run")), trainer={"epoch": 3})
    assert not (tmp_path / "run").exists()


def test_predict_is_a_job(trained_run, gold_file, tmp_path):
    code = (
        "import sys, eventtag\n"
        "if __name__ == '__main__':\n"
        "    report = eventtag.predict(*sys.argv[1:], workers=1)\n"
        "    print(report.articles, report.bad_rows, len(report.to_pandas()), list(report.to_pandas().columns)[0])\n"
    )
    script = tmp_path / "tag.py"
    script.write_text(code)
    command = [warm_programs() / "python", str(script), str(trained_run), str(gold_file), str(tmp_path / "tagged.jsonl")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    tagged = [json.loads(line) for line in (tmp_path / "tagged.jsonl").open()]
    assert done.stdout == f"4 0 {sum(len(row['spans']) for row in tagged)} article_id\n", done.stderr
    assert len(tagged) == 4
    with pytest.raises(eventtag.EventtagError, match=r"the suffix \.xlsx stands for no format"):
        eventtag.predict(trained_run, gold_file, tmp_path / "tagged.xlsx")
    with pytest.raises(eventtag.EventtagError, match="needs input and output"):
        eventtag.predict(trained_run, gold_file)


def test_compare_gives_differences_as_a_table(trained_run, articles, gold_file, tmp_path):
    silent = tmp_path / "silent.jsonl"
    eventtag.write_articles((replace(a, spans=()) for a in articles if a.meta["split"] == "test"), silent)
    result = eventtag.compare(trained_run, silent, gold=gold_file, resamples=200)
    assert set(result.comparison.systems) == {trained_run.name, "silent"}
    table = result.to_pandas()
    strict = table[(table.scheme == "strict") & (table.row == "micro") & (table.metric == "f1")]
    assert len(strict) == 1
    assert result.to_json()["pairs"][0]["first"] == result.comparison.pairs[0].first


def test_split_marks_articles_and_leaves_what_it_was_given(articles, tmp_path):
    result = eventtag.split(articles, tmp_path / "split.jsonl", test=0.25)
    assert sum(len(result[name]) for name in ("train", "validation", "test")) == 24
    assert [a.id for a in eventtag.read_articles(str(tmp_path / "split.jsonl"))] == [a.id for a in articles]
    assert list(result.to_pandas().columns) == ["id", "split"]
    with pytest.raises(eventtag.EventtagError, match="group: there is no metadata field 'topic'; found: split"):
        eventtag.split(articles, group="topic")


def test_lint_takes_articles_and_gives_a_table(articles, trained_run):
    broken = replace(articles[0], id="b", spans=(eventtag.Span(0, articles[0].spans[0].end + 1, "ACTOR"),))
    report = eventtag.lint(iter([*articles, broken]))
    assert "white space at edge" in set(report.to_pandas().rule)
    assert list(eventtag.lint([articles[0]], max_words=1).to_pandas().columns)[:2] == ["rule", "severity"]
    assert "rule" in eventtag.lint([make_article("a", "")]).to_pandas().columns
    judged = eventtag.lint(articles, checkpoint=trained_run)
    assert any("learnt from" in note for note in judged.notes)


def test_a_label_map_that_names_no_label_of_the_articles_is_refused(articles):
    with pytest.raises(eventtag.EventtagError, match=r"label_map: there is no label 'EVNT'; found: .*did you mean EVENT"):
        eventtag.lint(articles, label_map={"EVNT": "EVENT"})


def test_reading_and_writing_need_no_ledger_and_say_what_was_lost(articles, tmp_path, caplog):
    overlapping = replace(articles[0], spans=(*articles[0].spans, eventtag.Span(0, len(articles[0].text), "EVENT")))
    eventtag.write_articles([overlapping], str(tmp_path / "a.conll"))
    assert "dropped at writing conll: overlaps a longer span" in caplog.text
    for name, problem in (("a.xlsx", "stands for no format"), ("a.json", "several formats"), ("a", "has no suffix")):
        with pytest.raises(eventtag.EventtagError, match=problem):
            eventtag.write_articles(articles, tmp_path / name)
        assert not (tmp_path / name).exists()


def test_articles_show_themselves_in_a_line_and_in_a_notebook(trained_run):
    article = make_article("<a>", "Police/ACTOR arrested/EVENT men/ACTOR in Paris/LOCATION & elsewhere for a long time")
    assert repr(article) == "Article('<a>', 'Police arrested men in Paris & elsewher…', 4 spans)"
    shown = article._repr_html_()
    assert "&lt;a&gt;" in shown
    assert "Paris <small>LOCATION</small></mark> &amp; elsewhere" in shown
    assert [text for text, span in article.mentions()] == ["Police", "arrested", "men", "Paris"]
    assert article.mentions("EVENT") == [("arrested", article.spans[1])]
    tagged = next(iter(eventtag.Tagger.load(trained_run).tag_many([article])))
    assert len(repr(tagged)) < 100
    assert "<mark" in tagged._repr_html_()
    assert [span for _, span in tagged.mentions()] == list(tagged.spans)
    assert len(repr(eventtag.Tagger.load(trained_run))) < 200
