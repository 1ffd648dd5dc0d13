"""The commands of docs/how-to/label-studio.md run one after the other, with a tiny model; the test plays the annotators."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import REPOSITORY, make_distinct
from test_hydra_commands import TINY, run

from eventtag.article import Article
from eventtag.formats.label_map import map_labels
from eventtag.formats.label_studio import write_label_studio
from eventtag.formats.registry import write_articles
from eventtag.ledger import LossLedger

PAGE = REPOSITORY / "docs" / "how-to" / "label-studio.md"
NAMES = {"ACTOR": "Person", "EVENT": "Incident", "LOCATION": "Place"}


def test_the_commands_of_the_page_run(articles: tuple[Article, ...], tmp_path: Path) -> None:
    named = map_labels([replace(article, meta={}) for article in articles], NAMES, ledger=LossLedger())
    write_label_studio(named, tmp_path / "export.json", ledger=LossLedger())
    new = [replace(article, id=f"new{n}", meta={"desk": f"d{n}"}) for n, article in enumerate(make_distinct(3, train=3))]
    gold = {article.text: article for article in map_labels(new, NAMES, ledger=LossLedger())}
    for file in ("new_articles.jsonl", "more_articles.jsonl"):
        write_articles([replace(article, spans=()) for article in new], tmp_path / file)
    first, tag, again, tag_again = (
        shlex.split(command)[1:] for command in re.findall(r"^eventtag .*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    )
    short = ["evaluation.resamples=100", "trainer.adversarial=0", "trainer.epochs=1"]
    run(*first, *TINY, *short[:1], "model.intermediate.data=null", cwd=tmp_path)
    run(*tag, "workers=1", cwd=tmp_path)
    interface = (tmp_path / "tasks.xml").read_text(encoding="utf-8")
    assert re.findall(r'<Label value="(\w+)" predicted_values="(\w+)"/>', interface) == [(b, a) for a, b in NAMES.items()]
    tasks = json.loads((tmp_path / "tasks.json").read_text(encoding="utf-8"))
    assert [task["data"]["desk"] for task in tasks] == ["d0", "d1", "d2"]
    results = [result for task in tasks for prediction in task["predictions"] for result in prediction["result"]]
    assert {label for result in results for label in result["value"]["labels"]} <= set(NAMES.values())

    write_label_studio(gold.values(), tmp_path / "submitted.json", ledger=LossLedger())
    submitted = json.loads((tmp_path / "submitted.json").read_text(encoding="utf-8"))
    for task, done in zip(tasks, submitted, strict=True):
        task["annotations"] = done["annotations"]
    earlier = json.loads((tmp_path / "export.json").read_text(encoding="utf-8"))
    for number, task in enumerate([*earlier, *tasks]):
        task["id"] = number
    (tmp_path / "corrected.json").write_text(json.dumps([*earlier, *tasks]), encoding="utf-8")
    refused = run(*again, "model.head=crf", cwd=tmp_path, code=1)
    assert "model.head=crf is not allowed: the model of base=outputs/mine has head softmax" in refused.stderr + refused.stdout
    assert not (tmp_path / "outputs" / "second" / "run.json").exists()
    done = run(*again, *short, cwd=tmp_path)
    report = json.loads((tmp_path / "outputs" / "second" / "report.json").read_text(encoding="utf-8"))
    record = json.loads((tmp_path / "outputs" / "mine" / "run.json").read_text(encoding="utf-8"))
    assert report["data"]["base"]["sha256"] == record["data"]["test"]["sha256"]
    assert "the base outputs/mine and this checkpoint: F1 " in done.stdout + done.stderr
    assert report["data"]["base"]["difference"]["value"] == pytest.approx(
        report["data"]["base"]["scores"]["new"]["f1"] - report["data"]["base"]["scores"]["base"]["f1"]
    )
    run(*tag_again, "workers=1", cwd=tmp_path)
    assert (tmp_path / "more_tasks.xml").read_text(encoding="utf-8") == interface
