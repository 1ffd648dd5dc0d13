"""The evaluation report as one self-contained HTML page: summary, plots, errors, slices and an article browser.

Article text may be hostile. It is embedded as JSON in which markup characters are escaped, and the page's script shows it as text only;
jinja2 escapes everything else. The content security policy allows the page's own style and script by a nonce, and nothing else: the page
makes no request, and no other script runs in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from eventtag.labels import LabelSet
from eventtag.reporting.events import page_tables
from eventtag.reporting.page import read_template, render_template
from eventtag.reporting.plots import Whisker, curve_plot, forest_plot, reliability_plot
from eventtag.reporting.training import TrainingHistory, training_plots, training_table
from eventtag.scoring.bootstrap import CORRELATED, METRICS, Bootstrap, Interval
from eventtag.scoring.counts import Counts
from eventtag.scoring.error_kinds import KINDS, NONE, ErrorReport, find_errors
from eventtag.scoring.report import Average, EvaluationReport
from eventtag.scoring.tally import Pair, scored_spans
from eventtag.span import Span

MOST_ARTICLES = 1000
"""How many articles the browser holds unless told otherwise: a page of this size opens in under a second."""
COLOURS = 8
HEAT_STEPS = 4

WIDEST = 0.9
"""Intervals of shares that are at least this wide are not shown."""
LEAST_ARTICLES = 10
"""Slices in fewer articles are folded."""

_SURROGATES = re.compile("[\ud800-\udfff]")


def render_page(
    report: EvaluationReport,
    pairs: Sequence[Pair],
    *,
    title: str = "Evaluation",
    most_articles: int = MOST_ARTICLES,
    training: TrainingHistory | None = None,
) -> str:
    """The page for a report and the pairs that it was computed from. The page of a training run also shows its course.

    Sections that the report does not have (see `analyse_articles`) are left out. If there are more than `most_articles` articles, the
    browser holds those with most errors, and the page says so.
    """
    errors = report.errors or find_errors(pairs, LabelSet(report.labels))
    overall = None if report.calibration is None else report.calibration.overall
    page = render_template(
        "evaluation.html.j2",
        title=title,
        script=Markup(read_template("evaluation.js")),  # noqa: S704 - our own file
        payload=_payload(report, errors, pairs, most_articles),
        report=report,
        labels=report.labels,
        verdict=_verdict(report),
        facts=_facts(report),
        held=f"Of {len(pairs)} articles the {most_articles} with most errors are here." if len(pairs) > most_articles else None,
        widest=WIDEST,
        slices={
            "shown": [part for part in report.slices if part.articles >= LEAST_ARTICLES],
            "small": [part for part in report.slices if part.articles < LEAST_ARTICLES],
            "least": LEAST_ARTICLES,
        },
        rows=_rows(report),
        forest=forest_plot(_whiskers(report), title="F1 with its interval"),
        level=None if report.intervals is None else report.intervals.level,
        units=None if report.intervals is None else report.intervals.units,
        detectable={} if report.intervals is None else _detectable(report.intervals),
        notes=[] if report.intervals is None else report.intervals.notes,
        schemes=_schemes(report),
        cross_check=None if report.cross_check is None else report.cross_check.note,
        errors=_kinds(errors),
        confusion=_confusion(errors),
        behind=[part for part in report.slices if part.behind],
        events=[
            *([] if report.events is None else page_tables(report.events)),
            *([] if report.given_gold is None else page_tables(report.given_gold, given=True)),
        ],
        reliability=reliability_plot(overall),
        curves=Markup("") if report.calibration is None else curve_plot(report.calibration),
        training=None
        if training is None
        else {"best": training.best_epoch, "plots": training_plots(training), "table": training_table(training)},
    )
    return _SURROGATES.sub("\ufffd", page)


def _interval(report: EvaluationReport, scheme: str, row: str, metric: str) -> Interval | None:
    return None if report.intervals is None else report.intervals.interval(scheme, row, metric)


def _detectable(intervals: Bootstrap) -> dict[str, float]:
    found = {"unrelated": intervals.detectable(), "correlated": intervals.detectable(correlation=CORRELATED)}
    return {name: value for name, value in found.items() if value is not None}


def _rows(report: EvaluationReport) -> list[dict[str, Any]]:
    strict = report.strict
    named: list[tuple[str, Counts | Average]] = [*strict.labels.items(), ("micro", strict.micro)]
    named += [("macro", strict.macro), ("weighted", strict.weighted)]
    return [
        {
            "name": name,
            "unannotated": name in strict.unannotated,
            "average": number >= len(strict.labels),
            "colour": number % COLOURS,
            **{metric: getattr(row, metric) for metric in METRICS},
            "intervals": {metric: _interval(report, "strict", name, metric) for metric in METRICS},
            "support": row.support,
            "predicted": row.predicted if isinstance(row, Counts) else None,
        }
        for number, (name, row) in enumerate(named)
    ]


def _whiskers(report: EvaluationReport) -> list[Whisker]:
    whiskers = []
    for row in _rows(report):
        if row["unannotated"]:
            continue
        interval = row["intervals"]["f1"]
        low, high = (row["f1"], row["f1"]) if interval is None else (interval.low, interval.high)
        whiskers.append(Whisker(row["name"], None if row["average"] else row["colour"], row["f1"], low, high))
    return whiskers


def _schemes(report: EvaluationReport) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "labels": [None if label in scores.unannotated else counts.f1 for label, counts in scores.labels.items()],
            "micro": scores.micro.f1,
            "macro": scores.macro.f1,
            "interval": _interval(report, name, "micro", "f1"),
        }
        for name, scores in report.schemes.items()
    ]


def _kinds(errors: ErrorReport) -> list[dict[str, Any]]:
    return [
        {
            "name": kind,
            "cases": sum(case.kind == kind for case in errors.cases),
            "labels": [(errors.gold_spans(kind, label), errors.predicted_spans(kind, label)) for label in errors.labels],
        }
        for kind in KINDS
    ]


def _confusion(errors: ErrorReport) -> dict[str, Any]:
    """Rows of counts; `heat` is the share of the row in HEAT_STEPS steps."""
    rows = [[{"count": count, "heat": -(-HEAT_STEPS * count // max(1, sum(row)))} for count in row] for row in errors.confusion]
    return {"labels": [*errors.labels, NONE], "rows": rows}


def _verdict(report: EvaluationReport) -> str:
    """The report in a sentence or two."""
    micro, named = report.strict.micro, report.strict.labels
    articles = f"{report.articles} article{'s' * (report.articles != 1)}"
    if not micro.support:
        return f"No mention is annotated in {articles}, so that there is nothing to find; {micro.predicted} were predicted."
    interval = _interval(report, "strict", "micro", "f1")
    sure = ""
    if interval is not None and report.intervals is not None and interval.high - interval.low < WIDEST:
        sure = f" ({100 * report.intervals.level:g} % interval {100 * interval.low:.1f} to {100 * interval.high:.1f})"
    said = (
        f"Of {micro.support} annotated mentions in {articles}, {100 * micro.recall:.0f} % are found exactly; "
        f"of {micro.predicted} predicted ones, {100 * micro.precision:.0f} % are right. F1 is {100 * micro.f1:.1f}{sure}."
    )
    scored = {label: counts for label, counts in named.items() if label not in report.strict.unannotated and counts.support}
    if len(scored) > 1:
        worst, *_, best = sorted(scored, key=lambda label: scored[label].f1)
        said += f" Best is {best} ({100 * scored[best].f1:.1f}), weakest {worst} ({100 * scored[worst].f1:.1f})."
    return said


def _facts(report: EvaluationReport) -> list[tuple[str, str]]:
    return [
        (f"{name} {key}".replace("_", " "), str(value))
        for name, about in (("checkpoint", report.checkpoint), ("data", report.data))
        for key, value in about.items()
        if isinstance(value, str | int | float)
    ]


def _payload(report: EvaluationReport, errors: ErrorReport, pairs: Sequence[Pair], most_articles: int) -> Markup:
    labels = LabelSet(report.labels)
    found: dict[str, list[dict[str, Any]]] = {}
    for case in errors.cases:
        found.setdefault(case.article_id, []).append(
            {"kind": case.kind, "gold": _triples(case.gold), "predicted": _triples(case.predicted)}
        )
    worst = sorted(pairs, key=lambda pair: -len(found.get(pair[0].id, ())))[:most_articles]
    articles = []
    for article, predicted in worst:
        gold, tagged = scored_spans(article, predicted, labels)
        scores = {(s.start, s.end, s.label): s.score for s in predicted if s.score is not None}
        articles.append(
            {
                "id": article.id,
                "text": article.text,
                "annotated": None if article.annotated is None else [list(region) for region in article.annotated],
                "gold": _triples(gold),
                "predicted": _triples(tagged, scores),
                "errors": found.get(article.id, []),
            }
        )
    return _json({"labels": report.labels, "articles": articles})


def _triples(spans: Sequence[Span], scores: Mapping[tuple[int, int, str], float] | None = None) -> list[list[Any]]:
    triples: list[list[Any]] = []
    for span in spans:
        score = (scores or {}).get((span.start, span.end, span.label))
        triples.append([span.start, span.end, span.label] + ([] if score is None else [score]))
    return triples


def _json(value: Any) -> Markup:
    """JSON in which no character can end a script element or start markup."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    text = _SURROGATES.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - without markup characters, as above
