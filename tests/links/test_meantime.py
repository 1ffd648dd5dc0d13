"""MEANTIME's way: CAT files with participants and factuality, by the configuration `data=meantime`, learnt and scored given gold spans."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import trained_settings

from eventtag.api.evaluate import evaluate
from eventtag.article import Article
from eventtag.corpus.loading import load_corpus
from eventtag.models.checkpoint import read_info
from eventtag.settings import DataSettings, TrainSettings
from eventtag.settings.building import build_settings
from eventtag.training.run import train

CONFIG = Path(__file__).parents[2] / "configs" / "data" / "meantime.yaml"
FACTS = 'certainty="CERTAIN" polarity="POS" time="NON_FUTURE" special_cases="NONE"'
STATUSES = {
    1: 'certainty="CERTAIN" polarity="NEG" time="NON_FUTURE"',
    2: 'certainty="UNDERSPECIFIED" polarity="POS" time="NON_FUTURE"',
}


def cat_xml(article: Article) -> str:
    """The article, whose sentences have an actor, an event, an actor and a place each, as MEANTIME's files are (Minard et al. 2016).

    The second event of an article is negated, nothing clear is said of the third; a date takes part in each event. In every second sentence
    the place acts, as countries do there.
    """
    numbers, words, marks, relations = count(1), [], [], []
    position = 0
    tokens: dict[int, int] = {}
    for line, sentence in enumerate(article.text.split(" . ")):
        for place, word in enumerate([*sentence.split(" "), *([] if sentence.endswith(".") else ["."])]):
            words.append(f'<token t_id="{len(words) + 1}" sentence="{line}" number="{place}">{word}</token>')
            tokens[article.text.index(word, position)] = len(words)
            position = article.text.index(word, position) + len(word)
    for events, group in enumerate(zip(*[iter(article.spans)] * 4, strict=True)):
        keys = []
        for span in group:
            mention, instance = next(numbers), next(numbers)
            anchor = f'<token_anchor t_id="{tokens[span.start]}"/>'
            kind = "EVENT" if span.label == "EVENT" else "ENTITY"
            facts = f" {STATUSES.get(events, FACTS)}" if kind == "EVENT" else ""
            marks.append(f'<{kind}_MENTION m_id="{mention}"{facts}>{anchor}</{kind}_MENTION>')
            ent_type = f' ent_type="{"LOC" if span.label == "LOCATION" else "PER"}"' if kind == "ENTITY" else ""
            marks.append(f'<{kind} m_id="{instance}" TAG_DESCRIPTOR="x"{ent_type}/>')
            relations.append(
                f'<REFERS_TO r_id="{next(numbers)}"><source m_id="{mention}"/><target m_id="{instance}"/></REFERS_TO>'
            )
            keys.append(mention)
        agent, event, target, place = keys
        timex = next(numbers)
        marks.append(f'<TIMEX3 m_id="{timex}" type="DATE"><token_anchor t_id="{tokens[group[1].start]}"/></TIMEX3>')
        where = "Arg0" if events % 2 else "Argm-LOC"
        for key, role in ((agent, "Arg0"), (target, "Arg1"), (place, where), (timex, "Argm-TMP")):
            ends = f'<source m_id="{event}"/><target m_id="{key}"/>'
            relations.append(f'<HAS_PARTICIPANT r_id="{next(numbers)}" sem_role="{role}">{ends}</HAS_PARTICIPANT>')
    inside = "".join(words) + f"<Markables>{''.join(marks)}</Markables><Relations>{''.join(relations)}</Relations>"
    return f'<?xml version="1.0"?><Document doc_name="{article.id}.xml" doc_id="{article.id}" lang="en">{inside}</Document>'


@pytest.fixture(scope="module")
def data(articles: tuple[Article, ...], tmp_path_factory: pytest.TempPathFactory) -> DataSettings:
    """What the configuration says, of files here."""
    folder = tmp_path_factory.mktemp("meantime") / "intra_cross-doc_annotation" / "corpus_airbus"
    folder.mkdir(parents=True)
    for article in articles:
        (folder / f"{article.id}.xml").write_text(cat_xml(article), encoding="utf-8")
    values: dict[str, Any] = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    return build_settings(DataSettings, {**values, "path": str(folder.parent)})


def test_roles_and_factuality_are_read(data: DataSettings) -> None:
    corpus = load_corpus(data)
    articles = corpus.articles("all")
    assert len(articles) == 24
    for article in articles:
        assert [span.status for span in article.spans if span.label == "EVENT"] == ["asserted", "negated", None]
        roles = [(link.role, link.participant.label) for link in article.links or ()]
        assert sorted(roles) == sorted(
            [("AGENT", "ACTOR"), ("TARGET", "ACTOR")] * 3 + [("PLACE", "LOCATION")] * 2 + [("AGENT", "LOCATION")]
        )


def test_a_head_learns_from_it_and_one_of_other_articles_is_scored_on_it(
    data: DataSettings, linked_run: Path, tmp_path: Path
) -> None:
    settings = trained_settings(Path("unused"))
    settings |= {"data": data, "model": replace(settings["model"], links=True)}
    settings["trainer"] = replace(settings["trainer"], epochs=2)
    train(TrainSettings(**settings, run_dir=str(tmp_path / "run")))
    info, _ = read_info(tmp_path / "run" / "checkpoint")
    assert info.links is not None
    assert info.links.scheme.participants == {"AGENT": ("ACTOR", "LOCATION"), "TARGET": ("ACTOR",), "PLACE": ("LOCATION",)}
    for checkpoint, split in ((tmp_path / "run", "test"), (linked_run, "all")):
        report = evaluate(checkpoint, data, split=split, seen="include", evaluation={"resamples": 100}).report
        assert report.given_gold is not None
        links, status = report.given_gold.links, report.given_gold.status
        assert links is not None
        assert status is not None
        events = 3 * report.articles
        assert links.measures["strict"].support == events * 3
        assert links.on_gold_spans
        assert status.events == events * 2 // 3
    assert links.roles["strict"]["PLACE"].recall == 1.0
