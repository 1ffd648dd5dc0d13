"""Predictions of other programs are scored as those of a checkpoint are."""

import json
import subprocess

import pytest
from conftest import make_article
from hypothesis import given, settings
from hypothesis import strategies as st
from warm import warm_programs

import eventtag
from eventtag.article import Article
from eventtag.errors import DataError, OutputError, SettingsError
from eventtag.scoring.placing import place_predictions
from eventtag.span import Span

GOLD = [
    make_article("a", "Police/ACTOR arrested/EVENT men/ACTOR in Paris/LOCATION ."),
    make_article("b", "Rebels/ACTOR attacked/EVENT Lima/LOCATION ."),
    make_article("c", "Nurses/ACTOR met/EVENT in Accra/LOCATION ."),
]


def conll(articles, *, names=True) -> str:
    """Words and IOB2 tags, without white space, as another program writes them."""
    lines = []
    for article in articles:
        lines += [f"# newdoc id = {article.id}"] if names else ["-DOCSTART- O", ""]
        place = 0
        for word in article.text.split():
            start = article.text.index(word, place)
            place = start + len(word)
            label = next((span.label for span in article.spans if span.start == start), None)
            lines.append(f"{word} {'O' if label is None else f'B-{label}'}")
        lines.append("")
    return "\n".join(lines) + "\n"


def test_perfect_predictions_without_white_space_are_perfect(tmp_path):
    gold = [Article(a.id, a.text.replace(" ", " \n"), tuple(_moved(a, span) for span in a.spans)) for a in GOLD]
    (tmp_path / "theirs.conll").write_text(conll(GOLD, names=False))
    result = eventtag.score(tmp_path / "theirs.conll", gold, evaluation={"resamples": 100})
    assert (result.f1, result.report.strict.micro.support) == (1.0, 10)
    assert any("belong together by their order" in note for note in result.notes)
    assert any("differ from the gold text in white space alone" in note for note in result.notes)
    assert set(result.to_pandas().label) == {"ACTOR", "EVENT", "LOCATION", "micro", "macro"}


def _moved(article: Article, span: Span) -> Span:
    more = article.text[: span.start].count(" ")
    return Span(span.start + more, span.end + more, span.label)


def test_a_missed_and_a_spurious_span_count(tmp_path):
    predicted = [Article("a", GOLD[0].text, GOLD[0].spans[:1]), *GOLD[1:]]
    result = eventtag.score(predicted, GOLD, run_dir=tmp_path / "scores", evaluation={"resamples": 100})
    assert (result.report.strict.micro.precision, result.report.strict.micro.recall) == (1.0, 0.7)
    report = json.loads((tmp_path / "scores" / "report.json").read_text())
    assert report["micro"]["recall"] == 0.7
    assert {path.name for path in (tmp_path / "scores").iterdir()} == {
        "errors.jsonl", "predictions.jsonl", "report.html", "report.json", "report.md",
    }  # fmt: skip
    with pytest.raises(OutputError, match="exists already"):
        eventtag.score(predicted, GOLD, run_dir=tmp_path / "scores", evaluation={"resamples": 100})


def test_other_texts_missing_articles_and_unknown_labels_are_errors():
    with pytest.raises(DataError, match="its text differs from the gold text from character 0 on"):
        eventtag.score([Article("a", "Soldiers left"), *GOLD[1:]], GOLD)
    with pytest.raises(DataError, match="1 of 3 gold articles are not there, the first is 'c'"):
        eventtag.score(GOLD[:2], GOLD)
    with pytest.raises(SettingsError, match="labels: there is no label 'PLACE'"):
        eventtag.score(GOLD, GOLD, labels=["PLACE"])


@given(
    words=st.lists(st.text("abäé\U0001f600", min_size=1, max_size=4), min_size=1, max_size=8),
    blanks=st.lists(st.sampled_from([" ", "\n", "  ", "\u00a0", "\t\n"]), min_size=8, max_size=8),
    data=st.data(),
)
@settings(max_examples=80)
def test_a_placed_span_covers_the_same_characters(words, blanks, data):
    text = " ".join(words)
    other = "".join(word + blank for word, blank in zip(words, blanks, strict=False))
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    predicted = Article("x", text, (Span(start, end, "A", 0.5),))
    [placed], _ = place_predictions({"x": Article("x", other)}, [predicted])
    assert placed.text == other
    wanted = "".join(text[start:end].split())
    assert ["".join(placed.mention(span).split()) for span in placed.spans] == ([wanted] if wanted else [])
    assert all(placed.mention(span) == placed.mention(span).strip() and span.score == 0.5 for span in placed.spans)


def test_the_command_prints_the_table_and_writes_the_report(tmp_path):
    eventtag.write_articles(GOLD, tmp_path / "gold.jsonl", "jsonl")
    (tmp_path / "theirs.conll").write_text(conll(GOLD))
    command = [
        warm_programs() / "eventtag",
        "score",
        "theirs.conll",
        "--gold",
        "gold.jsonl",
        "--output",
        "scores",
        "--resamples",
        "100",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "micro        1.0000  1.0000  1.0000" in done.stdout
    assert "report: scores/report.html" in done.stderr
    assert (tmp_path / "scores" / "report.html").exists()
    missing = subprocess.run([*command[:2], "theirs.conll"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert missing.returncode == 1
    assert "--gold FILE or by --data NAME" in missing.stderr
