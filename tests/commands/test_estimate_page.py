"""The commands of docs/how-to/estimate.md run as they stand, one after the other, and so does its R where R is installed."""

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
from eventtag.estimates.estimate_rows import FIGURES
from eventtag.span import Span

PAGE = (REPOSITORY / "docs" / "how-to" / "estimate.md").read_text(encoding="utf-8")


def year_of_news(count=1500):
    """Articles as people see them, with up to four events; `tags` gives what a tagger finds, which misses every third event."""
    for number in range(count):
        events = (number * 7) % 5
        words = [f"protest{number}x{part}" for part in range(events)]
        text = " ".join(["Report", *words, f"word{number}"])
        spans, at = [], len("Report ")
        for word in words:
            spans.append(Span(at, at + len(word), "EVENT", status="asserted"))
            at += len(word) + 1
        meta = {"date": f"2024-{number % 6 + 1:02d}-03", "country": "Peru" if number % 4 else "NA"}
        yield Article(f"a{number}", text, tuple(spans), meta=meta, links=())


def tags(article):
    number = int(article.id[1:])
    found = [replace(span, score=0.9) for place, span in enumerate(article.spans) if (number // 5 + place) % 3]
    return replace(article, spans=tuple(found + [Span(0, 6, "EVENT", 0.6)] * (number % 8 == 3)))


def run(command, monkeypatch, capsys):
    words = shlex.split(command)
    monkeypatch.setattr(sys, "argv", [" ".join(words[:2]), *words[2:]])
    code = importlib.import_module(f"eventtag.cli.commands.{words[1]}").run()
    printed = capsys.readouterr()
    assert code == 0, printed.err
    return printed.out, printed.err


@pytest.fixture
def published(tmp_path, monkeypatch, capsys):
    """Where somebody has followed the page: (what the last commands printed)."""
    monkeypatch.chdir(tmp_path)
    gold = {article.id: article for article in year_of_news()}
    eventtag.write_articles(map(tags, gold.values()), tmp_path / "tagged.jsonl")
    printed = []
    for command in re.findall(r"^eventtag (?!predict).*$", PAGE, re.MULTILINE):
        if "estimate" in command and not (tmp_path / "annotated.jsonl").exists():
            drawn = eventtag.read_articles("sample.jsonl")
            eventtag.write_articles(
                (replace(one, spans=gold[one.id].spans, annotated=None, links=()) for one in drawn), tmp_path / "annotated.jsonl"
            )
        printed.append(run(command, monkeypatch, capsys))
    return printed


def test_the_page_leads_to_a_corrected_figure(published, tmp_path):
    _, (table, said), _, (records, _), (model, _) = published
    assert records.startswith("records:status=asserted AGENT~police: mean of an article")
    assert re.search(r"^month +articles +annotated +naive +annotated alone +corrected +worth", table, re.MULTILINE)
    whole = re.search(r"^all articles +1500 +200 .* (\S+) \((\S+) to (\S+)\) +\d+$", table, re.MULTILINE)
    assert float(whole[2]) < 2.0 < float(whole[3])
    assert re.search(r"^trend +all ", table, re.MULTILINE)
    assert "not known which articles the tagger learnt from" in said
    assert "country=NA (against Peru)" in model
    assert "files: figures/differences.csv, estimates.csv, estimates.html, estimates.json\n" in said
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        "estimates.csv",
        "differences.csv",
        "estimates.json",
        "estimates.html",
    }


def test_the_page_names_every_column():
    named = set(re.findall(r"`(\w+)`", PAGE.split("## 5.")[0])) | {"gold_only_low", "gold_only_high"}
    assert set(FIGURES) <= named


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
def test_r_draws_a_band_for_each_month_and_an_interval_for_each_country(published, tmp_path):
    code = (
        'polygon <- function(...) stop("a band would cross the months that have no interval")\n'
        "rect <- function(left, low, right, high, ...) stopifnot(all(left < right), diff(at) > 0, right[-6] < left[-1])\n"
    )
    code += "\n".join(re.findall(r"^```r\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
    code += (
        'stopifnot(nrow(months) == 6, is.numeric(months$low), sum(!is.na(months$low)) > 3, cells$country == c("NA", "Peru"))\n'
    )
    (tmp_path / "figure.R").write_text(code)
    done = subprocess.run(["Rscript", "figure.R"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all((tmp_path / name).stat().st_size > 1000 for name in ("events.png", "countries.png"))
