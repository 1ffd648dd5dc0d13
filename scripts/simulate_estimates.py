"""How often do the intervals of `eventtag estimate` hold the truth, and how wide are they?

    python scripts/simulate_estimates.py [--table regressions | --table rules]

Each corpus is a made-up year of news, of which all events are known. Articles are about much or little (gamma-distributed), which gives
them many events or few, and a tagger as many chances of wrong ones; some articles are harder than others. It finds events with recall
0.79 and precision 0.75, as a tagger on ECB+ does. A sample is drawn as `eventtag sample` draws it, its events become known, and the
figures are estimated. Prints a Markdown table, which stands in docs/evidence/estimates.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from eventtag.estimates.contrasts import difference, trend
from eventtag.estimates.corrected import Annotated, Estimate, Figure, Tagged, estimate_mean, figure, freedom
from eventtag.estimates.regression import Family, Regression, Rows, regress_dsl, regress_ppi
from eventtag.estimates.sampling import draw, inclusion_probabilities, sizes_by_counts

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
MONTHS = 12
RECALL, PRECISION = 0.79, 0.75
MEETS = 0.15
"""Of the events, those that meet a condition on event records, such as asserted ones of one agent."""
JUDGED_RIGHT, JUDGED_WRONG = 0.65, 0.06
"""Of the found events that meet the condition, those whose status and agent are found too; of the others, those that seem to meet it."""
MONTHS_EVERY = 3
"""Months are estimated in one corpus out of so many: each has twelve of them."""


@dataclass(frozen=True)
class Design:
    """A year of news, and how articles are drawn from it.

    `events` are those of a mean article, `spread` the shape of their gamma distribution (smaller: more uneven). `share`: whether
    articles with at least one are counted in place of events. `copies` is the share of articles that are near-duplicates of others.
    `falling`: how much recall falls from January to December. `by_counts`: whether articles with more predicted events are likelier to be
    drawn; `by_month`: whether each month is sampled for itself. `late`: by how much likelier an article of December is drawn than one of
    January. `records`: whether the event records that meet a condition are counted in place of all events; the tagger also errs in their
    status and participants.
    """

    name: str
    events: float = 2.0
    spread: float = 1.0
    share: bool = False
    copies: float = 0.0
    falling: float = 0.0
    by_counts: bool = False
    by_month: bool = False
    late: float = 1.0
    articles: int = 8_000
    records: bool = False


EVENTS = Design("events an article")
SHARE = Design("share of articles with an event", share=True)
RECORDS = Design("event records that meet a condition", records=True)
RARE = Design("rare: 3 % of articles with an event", events=0.06, spread=0.5, share=True)
DESIGNS = (
    EVENTS,
    replace(EVENTS, name="events, drawn by predicted counts", by_counts=True),
    replace(EVENTS, name="events, months as strata", by_month=True),
    replace(EVENTS, name="events, 40 % near-duplicates", copies=0.4),
    replace(EVENTS, name="events, near-duplicates, by counts, months", copies=0.4, by_counts=True, by_month=True),
    replace(EVENTS, name="events, recall falls from 0.94 to 0.64", falling=0.3),
    replace(EVENTS, name="events, recall falls, December five times likelier", falling=0.3, late=5.0),
    SHARE,
    replace(SHARE, name="share, drawn by predicted counts", by_counts=True),
    RARE,
    replace(RARE, name="rare, drawn by predicted counts", by_counts=True),
    RECORDS,
    replace(RECORDS, name="event records, drawn by predicted counts", by_counts=True),
)


@dataclass(frozen=True)
class Corpus:
    """People's and the tagger's number of each article, how many events the tagger found in it, its month, and the unit that it is drawn
    with; all [N].
    """

    gold: Floats
    tagged: Floats
    found: Floats
    month: Numbers
    unit: Numbers


def make_corpus(design: Design, random: np.random.Generator) -> Corpus:
    """A year of news and what a tagger finds in it."""
    count = design.articles
    month = np.arange(count) * MONTHS // count
    rate = design.events * random.gamma(design.spread, 1 / design.spread, count)
    recall = random.beta(8 * RECALL, 8 * (1 - RECALL), count) + design.falling * (0.5 - month / (MONTHS - 1))
    gold = random.poisson(rate)
    tagged = random.binomial(gold, np.clip(recall, 0, 1)) + random.poisson(rate * RECALL * (1 / PRECISION - 1))
    if design.records:
        detected = np.clip(recall, 0, 1)
        meeting = random.binomial(gold, MEETS)
        spurious = random.poisson(rate * RECALL * (1 / PRECISION - 1) * MEETS)
        tagged = (
            random.binomial(meeting, detected * JUDGED_RIGHT)
            + random.binomial(gold - meeting, detected * JUDGED_WRONG)
            + spurious
        )
        gold = meeting
    unit = np.arange(count)
    if design.copies:
        copied = random.random(count) < design.copies
        copied[0] = False
        unit = np.maximum.accumulate(
            np.where(copied, 0, unit)
        )  # a copy is printed after its original, and tagged a little differently
        gold, tagged = gold[unit], np.maximum(tagged[unit] + random.integers(-1, 2, count) * (copied & (tagged[unit] > 0)), 0)
        unit = np.unique(unit, return_inverse=True)[1]
    found = tagged.astype(np.float64)
    if design.share:
        gold, tagged = np.minimum(gold, 1), np.minimum(tagged, 1)
    return Corpus(gold.astype(np.float64), tagged.astype(np.float64), found, month, unit.astype(np.int64))


def draw_articles(design: Design, corpus: Corpus, articles: int, random: np.random.Generator) -> tuple[Numbers, Annotated]:
    """The places of the drawn articles, as many units as asked for, and what is known of them once they are annotated."""
    units = int(corpus.unit.max()) + 1
    first = np.unique(corpus.unit, return_index=True)[1]
    strata = corpus.month[first] if design.by_month else np.zeros(units, dtype=np.int64)
    counts = np.bincount(corpus.unit, corpus.found)
    sizes = sizes_by_counts(counts) if design.by_counts else np.full(units, 1 / units)
    if design.late != 1:
        sizes = sizes * np.geomspace(1, design.late, MONTHS)[corpus.month[first]]
    shares = inclusion_probabilities(sizes, strata, articles)
    drawn = np.flatnonzero(draw(shares, strata, random)[corpus.unit])
    local = np.unique(corpus.unit[drawn], return_inverse=True)[1]
    weights = 1 / shares[corpus.unit[drawn]]
    sample = Annotated(corpus.gold[drawn], corpus.tagged[drawn], weights, local, strata[corpus.unit[drawn]])
    return drawn, sample


@dataclass(frozen=True)
class Outcome:
    """The estimate of one figure of one corpus, and the truth."""

    truth: float
    estimate: Estimate


@dataclass(frozen=True)
class Run:
    """The outcomes of a corpus: of the year, of its months; and the interval of a contrast with its truth, where there is one."""

    year: Outcome
    months: tuple[Outcome, ...]
    contrasts: dict[str, tuple[float, Figure]]


def simulate(
    design: Design, articles: int, *, corpora: int, seed: int, leave_out: Sequence[str] = (), months: bool = True
) -> list[Run]:
    """Estimates of many corpora. `leave_out` of weights, units and strata shows what comes of estimates that ignore them."""
    found = []
    for number in range(corpora):
        random = np.random.default_rng([seed, number])
        corpus = make_corpus(design, random)
        drawn, sample = draw_articles(design, corpus, articles, random)
        if "weights" in leave_out:
            sample = replace(sample, weights=np.full(len(sample), len(corpus.gold) / len(sample)))
        if "units" in leave_out:
            sample = replace(sample, units=np.arange(len(sample)))
        if "strata" in leave_out:
            sample = replace(sample, strata=np.zeros(len(sample), dtype=np.int64))
        found.append(_estimate(design, corpus, drawn, sample, months=months and number % MONTHS_EVERY == 0))
    return found


def _estimate(design: Design, corpus: Corpus, drawn: Numbers, sample: Annotated, *, months: bool) -> Run:
    bounds = (0.0, 1.0 if design.share else np.inf)

    def one(members: npt.NDArray[np.bool_]) -> Outcome:
        numbers = corpus.tagged[members]
        tagged = Tagged(len(numbers), float(numbers.sum()), float((numbers**2).sum()))
        return Outcome(float(corpus.gold[members].mean()), estimate_mean(tagged, sample, members[drawn], bounds=bounds))

    year = one(np.ones(len(corpus.gold), dtype=bool))
    by_month = tuple(one(corpus.month == month) for month in range(MONTHS)) if months else ()
    if not months:
        return Run(year, (), {})
    truths, estimates = [outcome.truth for outcome in by_month], [outcome.estimate for outcome in by_month]
    slope = float(np.polyfit(np.arange(MONTHS), truths, 1)[0])
    return Run(
        year,
        by_month,
        {
            "trend": (slope, trend(estimates).figure),
            "change": (truths[-1] - truths[0], difference(estimates[0], estimates[-1]).figure),
        },
    )


def held(pairs: Sequence[tuple[float, Figure]]) -> tuple[float, float]:
    """Percentages: of intervals that hold the truth, and of figures without an interval."""
    if not pairs:
        return float("nan"), 0.0
    given = [(truth, found) for truth, found in pairs if found.low is not None and found.high is not None]
    inside = [found.low <= truth + 1e-12 and truth - 1e-12 <= found.high for truth, found in given]  # type: ignore[operator]
    return 100 * float(np.mean(inside)) if inside else float("nan"), 100 * (1 - len(given) / len(pairs))


def corrected(outcomes: Sequence[Outcome]) -> list[tuple[float, Figure]]:
    """Truths with corrected figures, for `held`."""
    return [(outcome.truth, outcome.estimate.corrected) for outcome in outcomes]


def narrowing(outcomes: Sequence[Outcome]) -> float:
    """Mean half-width of the corrected intervals as a share of that of the annotated articles alone, over figures that have both."""
    both = [
        (one, other)
        for outcome in outcomes
        if (one := outcome.estimate.corrected.half_width) is not None and (other := outcome.estimate.gold.half_width)
    ]
    return float(np.mean([one for one, _ in both]) / np.mean([other for _, other in both])) if both else float("nan")


def rows(designs: Sequence[Design], sizes: Sequence[int], *, corpora: int, seed: int, months: bool = True) -> Iterator[str]:
    """The rows of the table; without figures of months unless these are wanted, which take most of the time."""
    for design in designs:
        for articles in sizes:
            runs = simulate(design, articles, corpora=corpora, seed=seed, months=months)
            year = [run.year for run in runs]
            by_month = [outcome for run in runs for outcome in run.months]
            naive = held([(outcome.truth, outcome.estimate.naive) for outcome in year])[0]
            gold = held([(outcome.truth, outcome.estimate.gold) for outcome in year])[0]
            cells = [
                design.name,
                str(articles),
                f"{naive:.1f}",
                f"{gold:.1f}",
                _share(*held(corrected(year))),
                f"{narrowing(year):.2f}",
            ]
            cells += [_share(*held(corrected(by_month)))]
            cells += [_share(*held([run.contrasts[kind] for run in runs if run.contrasts])) for kind in ("change", "trend")]
            yield "| " + " | ".join(cells) + " |"


def _share(covered: float, without: float) -> str:
    shown = "–" if np.isnan(covered) else f"{covered:.1f}"
    return shown + (f" ({without:.0f} none)" if without >= 0.5 else "")


def regression_rows(designs: Sequence[Design], sizes: Sequence[int], *, corpora: int, seed: int) -> Iterator[str]:
    """Coverage of the coefficients of a regression on the month, whose truths are the process's: no change, and its mean; and of the mean
    by itself with PPI++'s lambda, its bias in standard errors, and its half-width beside that of the annotated articles alone.
    """
    for design in designs:
        for articles in sizes:
            inside: dict[str, list[bool]] = {name: [] for name in ("linear", "slope", "poisson", "log slope")}
            errors, widths, alone = [], [], []
            for number in range(corpora):
                random = np.random.default_rng([seed, number])
                corpus = make_corpus(design, random)
                drawn, sample = draw_articles(design, corpus, articles, random)
                truths: dict[Family, tuple[tuple[str, str], float]] = {
                    "linear": (("linear", "slope"), design.events),
                    "poisson": (("poisson", "log slope"), float(np.log(design.events))),
                }
                for family, (names, level) in truths.items():
                    low, high = _regress(corpus, drawn, sample, family).interval(0.95)
                    for place, truth in enumerate((level, 0.0)):
                        inside[names[place]].append(bool(low[place] <= truth <= high[place]))
                if np.ptp(sample.weights) == 0:
                    rest = np.ones(len(corpus.gold), dtype=bool)
                    rest[drawn] = False
                    one = np.ones((len(corpus.gold), 1))
                    mean = regress_ppi(Rows(one[rest], corpus.tagged[rest]), one[drawn], sample, "linear", tuning="ppi")
                    errors.append((mean.coefficients[0] - design.events) / mean.errors[0])
                    widths.append(mean.errors[0])
                    alone.append(sample.gold.std(ddof=1) / len(sample) ** 0.5)
            shares = [f"{100 * np.mean(found):.1f}" for found in inside.values()]
            ppi = [f"{np.mean(errors):+.2f}", f"{np.mean(widths) / np.mean(alone):.2f}"] if errors else ["–", "–"]
            yield "| " + " | ".join([design.name, str(articles), *shares, *ppi]) + " |"


def _regress(corpus: Corpus, drawn: Numbers, sample: Annotated, family: Family) -> Regression:
    columns = np.stack([np.ones(len(corpus.gold)), corpus.month - (MONTHS - 1) / 2], axis=1)
    if np.ptp(sample.weights) > 0:
        return regress_dsl(Rows(columns, corpus.tagged), drawn, sample, family)
    rest = np.ones(len(corpus.gold), dtype=bool)
    rest[drawn] = False
    return regress_ppi(Rows(columns[rest], corpus.tagged[rest]), columns[drawn], sample, family)


def rule_rows(designs: Sequence[Design], sizes: Sequence[int], *, corpora: int, seed: int) -> Iterator[str]:
    """Coverage in small cells without the rules by which the command gives no interval, and with them."""
    for design in designs:
        for articles in sizes:
            outcomes = [run.year for run in simulate(design, articles, corpora=corpora, seed=seed, months=False)]
            always = [
                (
                    one.truth,
                    figure(found.mean, found.deviations, freedom(found.deviations[found.inside], spent=2), 0.95, (0, np.inf)),
                )
                for one in outcomes
                if (found := one.estimate)
            ]
            yield f"| {design.name} | {articles} | {held(always)[0]:.1f} | {_share(*held(corrected(outcomes)))} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", choices=("estimates", "regressions", "rules"), default="estimates")
    parser.add_argument("--corpora", type=int, default=2000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 200, 500])
    parser.add_argument("--without-months", action="store_true", help="the year alone, which takes a quarter of the time")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--designs", nargs="+", help="words of the designs to simulate (default: all)")
    arguments = parser.parse_args()
    chosen = [design for design in DESIGNS if not arguments.designs or any(word in design.name for word in arguments.designs)]
    headers = {
        "estimates": "figure | annotated | naive | annotated alone | corrected | half-width | months | December - January | trend",
        "regressions": "figure | annotated | constant | month | Poisson: constant | Poisson: month | PPI++ bias | PPI++ half-width",
        "rules": "figure | annotated | without the rules | with them",
    }
    header = headers[arguments.table]
    print(f"| {header} |")
    print("|---|" + "---:|" * header.count("|"))
    kinds = {"estimates": partial(rows, months=not arguments.without_months), "regressions": regression_rows, "rules": rule_rows}
    for row in kinds[arguments.table](chosen, arguments.sizes, corpora=arguments.corpora, seed=arguments.seed):
        print(row, flush=True)


if __name__ == "__main__":
    main()
