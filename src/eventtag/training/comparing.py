"""An earlier checkpoint and a new one, compared on the articles that test both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from eventtag.corpus.clusters import clusters_of
from eventtag.corpus.loading import Corpus, fingerprint
from eventtag.corpus.seen import Seen, leave_out_seen
from eventtag.errors import DataError
from eventtag.evaluation import evaluate
from eventtag.scoring.compare import compare_systems
from eventtag.scoring.report import EvaluationReport
from eventtag.scoring.tally import Tally
from eventtag.settings import EvaluationSettings
from eventtag.tagging.tagger import Tagger


def compare_taggers(
    taggers: Mapping[str, Tagger], corpus: Corpus, analysis: EvaluationSettings, *, seen: Seen | None = None
) -> dict[str, Any]:
    """Strict micro F1 of two taggers, the earlier one first, on the test articles (validation articles if there are none), with intervals,
    and their paired difference, new minus earlier. JSON-like.

    Articles that are learnt according to `seen` are left out. Raises DataError if none is left that was annotated.
    """
    split = corpus.scored_split()
    articles, notes = corpus.articles(split), []
    if seen is not None:
        unseen = leave_out_seen(articles, seen, who="one of the two checkpoints")
        if len(unseen.articles) < len(articles):
            notes.append(f"{len(articles) - len(unseen.articles)} {split} articles were learnt before, and are left out")
        if split == "test" and (chose := unseen.about["scored"]["chose"]):
            notes.append(
                f"{chose} test articles chose epoch and thresholds of one of the two checkpoints, whose score is somewhat too high"
            )
        notes += [f"it is not known which articles {name} learnt from; scores on these are too high" for name in seen.unknown]
        articles = unseen.articles
    if split != "test":
        notes.append(
            f"there are no test articles, so the scores are of {split} articles, which chose the epoch too, so that both are too high"
        )
    plain = replace(analysis, slices=None)
    reports = {
        name: evaluate(tagger, articles, labels=corpus.labels, analysis=plain, cluster_field=corpus.cluster_field).report
        for name, tagger in taggers.items()
    }
    units, _ = clusters_of(articles, corpus.cluster_field)
    compared = compare_systems(
        {name: _tally(report) for name, report in reports.items()}, clusters=units, level=analysis.level, seed=analysis.seed
    )
    difference = compared.pairs[0].difference("strict", "micro")
    return {
        "notes": notes,
        "split": split,
        "articles": next(iter(reports.values())).articles,
        "sha256": fingerprint(articles),
        "scores": {name: _score(report) for name, report in reports.items()},
        "difference": {"value": difference.difference, "low": difference.low, "high": difference.high},
    }


def _tally(report: EvaluationReport) -> Tally:
    if report.tally is None:
        raise DataError("no article can be compared, as nothing of them was annotated")
    return report.tally


def _score(report: EvaluationReport) -> dict[str, Any]:
    assert report.intervals is not None
    interval = report.intervals.interval("strict", "micro", "f1")
    low, high = (None, None) if interval is None else (interval.low, interval.high)
    return {"f1": report.strict.micro.f1, "low": low, "high": high, "level": report.intervals.level}


def is_better(difference: Mapping[str, Any]) -> bool | None:
    """Whether a difference is above 0 beyond chance (True) or below (False), None if it is neither; without an interval, one below 0
    counts as below.
    """
    low, high = difference["low"], difference["high"]
    if low is None or high is None:
        return None if difference["value"] >= 0 else False
    return None if low <= 0 <= high else bool(low > 0)


def describe_comparison(compared: Mapping[str, Any]) -> str:
    """The comparison in a sentence without its verdict."""
    (_, before), (_, new) = compared["scores"].items()
    difference = compared["difference"]
    return (
        f"F1 {_interval(new['f1'], new)} on the {compared['articles']} {compared['split']} articles, before "
        f"{_interval(before['f1'], before)}; difference {_interval(difference['value'], difference, sign='+')}"
    )


def verdict(difference: Mapping[str, Any]) -> str:
    """The difference in words."""
    better = is_better(difference)
    if better is False:
        return "worse"
    if better is None and difference["value"] < 0:
        return "LOWER than before, but by no more than chance explains"
    return "better" if better else "a difference that chance explains"


def _interval(value: float, bounds: Mapping[str, float | None], *, sign: str = "") -> str:
    if bounds["low"] is None or bounds["high"] is None:
        return f"{value:{sign}.3f} (no interval: too few articles)"
    return f"{value:{sign}.3f} [{bounds['low']:{sign}.3f}, {bounds['high']:{sign}.3f}]"
