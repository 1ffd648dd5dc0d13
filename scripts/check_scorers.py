"""Hold the span scores against other scorers on random cases, and name every class of disagreement.

    python scripts/check_scorers.py --cases 100000

Three judges: an exhaustive search over all one-to-one matchings (all schemes), seqeval in strict IOB2 mode (strict scheme, spans
that fall on words), and nervaluate (all schemes; its ends are inclusive, so ours are converted). The first two must agree always.
nervaluate must agree but for the classes in `NERVALUATE_CLASSES`; each is printed with its number and its smallest example. Exit
code 1 if any disagreement has no class. Needs the `dev` extra.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence

from nervaluate.entities import Entity
from nervaluate.strategies import EntityTypeEvaluation, ExactEvaluation, PartialEvaluation, StrictEvaluation
from seqeval.metrics.v1 import precision_recall_fscore_support
from seqeval.scheme import IOB2

from eventtag.labels import LabelSet
from eventtag.scoring.counts import Counts
from eventtag.scoring.matching import SCHEMES, Scheme, judge, overlap_components
from eventtag.scoring.tally import tally_spans
from eventtag.span import Span, flatten

LABELS = LabelSet()
NERVALUATE = {
    "strict": StrictEvaluation(),
    "exact": ExactEvaluation(),
    "partial": PartialEvaluation(),
    "type": EntityTypeEvaluation(),
}
NERVALUATE_CLASSES = {
    "first come": "spans of one side compete for a span of the other; nervaluate serves them in order, we take the best matching",
    "under 1 %": "the shared characters are under 1 % of the gold span, which nervaluate does not call an overlap",
}
Case = tuple[list[Span], list[Span]]


def random_case(rng: random.Random, *, flat: bool) -> Case:
    """Gold and predicted spans over a short text; predictions are mostly gold spans with an error. `flat`: no overlaps on a
    side.
    """
    length = rng.choice((8, 20, 400))

    def span() -> Span:
        start = rng.randrange(length)
        return Span(start, min(length, start + rng.randint(1, max(2, length // 3))), rng.choice(LABELS.labels))

    gold = [span() for _ in range(rng.randint(0, 4))]
    predicted = []
    for wanted in gold:
        start = max(0, wanted.start + rng.choice((0, 0, 0, 0, -1, 1, 2)))
        end = min(length, max(start + 1, wanted.end + rng.choice((0, 0, 0, 0, -1, 1, -2))))
        label = wanted.label if rng.random() < 0.8 else rng.choice(LABELS.labels)
        if rng.random() < 0.85 and start < end:
            predicted.append(Span(start, end, label))
    predicted += [span() for _ in range(rng.choice((0, 0, 1)))]
    if flat:
        gold, predicted = flatten(set(gold))[0], flatten(set(predicted))[0]
    return sorted(set(gold)), sorted(set(predicted))


def our_counts(case: Case, scheme: Scheme) -> Counts:
    """All labels together."""
    return Counts.from_vector(tally_spans(*case, LABELS)[SCHEMES.index(scheme)].sum(axis=0))


def five(counts: Counts) -> tuple[int, int, int, int, int]:
    """Correct, incorrect, partial, missed, spurious."""
    return counts.gold_correct, counts.gold_incorrect, counts.gold_partial, counts.missed, counts.spurious


def exhaustive_counts(case: Case, scheme: Scheme) -> tuple[int, int, int, int, int]:
    """The five counts of the best of all one-to-one matchings: most credit, then most correct pairs, then most pairs."""
    gold, predicted = case
    best = (0.0, 0, 0)
    for choice in _matchings(len(gold), len(predicted)):
        outcomes = Counter(judge(gold[row], predicted[column], scheme) for row, column in choice)
        pairs = sum(outcomes.values()) - outcomes[None]
        best = max(best, (outcomes["correct"] + outcomes["partial"] / 2, outcomes["correct"], pairs))
    credit, correct, pairs = best
    partial = round(2 * (credit - correct))
    return correct, pairs - correct - partial, partial, len(gold) - pairs, len(predicted) - pairs


def _matchings(rows: int, columns: int) -> Iterator[tuple[tuple[int, int], ...]]:
    size = min(rows, columns)
    for chosen in itertools.combinations(range(rows), size):
        for order in itertools.permutations(range(columns), size):
            yield tuple(zip(chosen, order, strict=True))


def nervaluate_counts(case: Case, scheme: Scheme) -> tuple[int, int, int, int, int]:
    """Nervaluate's five counts."""
    gold, predicted = ([Entity(s.label, s.start, s.end - 1) for s in side] for side in case)
    result, _ = NERVALUATE[scheme].evaluate(gold, predicted, list(LABELS.labels))
    return result.correct, result.incorrect, result.partial, result.missed, result.spurious


def nervaluate_class(case: Case) -> str | None:
    """Why nervaluate may differ on a case; None where it must agree."""
    for gold, predicted in overlap_components(*case):
        if (len(gold) > 1 and predicted) or (len(predicted) > 1 and gold):
            return "first come"
        if gold and predicted:
            shared = min(gold[0].end, predicted[0].end) - max(gold[0].start, predicted[0].start)
            if 100 * shared < gold[0].end - gold[0].start:
                return "under 1 %"
    return None


def seqeval_figures(cases: Sequence[Case]) -> tuple[float, float, float]:
    """Strict micro precision, recall, F1 where every character is a word and every case a sequence."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # seqeval warns of zero divisions, for which 0.0 is asked
        precision, recall, f1, _ = precision_recall_fscore_support(
            [_character_tags(gold) for gold, _ in cases],
            [_character_tags(predicted) for _, predicted in cases],
            scheme=IOB2, average="micro", zero_division=0,
        )  # fmt: skip
    return float(precision), float(recall), float(f1)


def _character_tags(spans: Sequence[Span]) -> list[str]:
    tags = ["O"] * 401
    for span in spans:
        tags[span.start : span.end] = [f"B-{span.label}", *([f"I-{span.label}"] * (span.end - span.start - 1))]
    return tags


def check(cases: int, seed: int) -> tuple[Counter[tuple[str, str]], dict[tuple[str, str], Case], list[str]]:
    """Run all judges; returns numbers and smallest examples of each class by (judge, class), and the unexplained
    disagreements.
    """
    rng = random.Random(seed)  # noqa: S311 - test data, not secrets
    classes: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], Case] = {}
    unexplained: list[str] = []
    batch: list[Case] = []
    for number in range(cases):
        case = random_case(rng, flat=bool(number % 2))
        for scheme in SCHEMES:
            ours = five(our_counts(case, scheme))
            if ours != exhaustive_counts(case, scheme):
                unexplained.append(f"exhaustive search, {scheme}: {case}")
            if ours != nervaluate_counts(case, scheme):
                reason = nervaluate_class(case)
                if reason is None:
                    unexplained.append(f"nervaluate, {scheme}: {case}")
                else:
                    key = (f"nervaluate {scheme}", reason)
                    classes[key] += 1
                    if key not in examples or _size(case) < _size(examples[key]):
                        examples[key] = case
        if number % 2:
            batch.append(case)
        if batch and (len(batch) == 20 or number >= cases - 2):
            ours = sum((our_counts(case, "strict") for case in batch), Counts())
            figures = (ours.precision, ours.recall, ours.f1)
            if any(abs(a - b) > 1e-12 for a, b in zip(figures, seqeval_figures(batch), strict=True)):
                unexplained.append(f"seqeval: {batch}")
            batch = []
    return classes, examples, unexplained


def _size(case: Case) -> tuple[int, int]:
    return len(case[0]) + len(case[1]), sum(span.end for side in case for span in side)


def main() -> int:
    """Print the classes; 1 where something has no class."""
    parser = argparse.ArgumentParser(description="Hold the span scores against other scorers on random cases.")
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    classes, examples, unexplained = check(options.cases, options.seed)
    print(f"{options.cases} cases; exhaustive search (4 schemes), seqeval strict (flat half), nervaluate (4 schemes)")
    for key, number in classes.most_common():
        judge_name, reason = key
        gold, predicted = ([(s.start, s.end, s.label) for s in side] for side in examples[key])
        print(f"{judge_name}: {number} differ ({reason}: {NERVALUATE_CLASSES[reason]})\n  gold {gold}\n  predicted {predicted}")
    print(f"without a class: {len(unexplained)}")
    for line in unexplained[:10]:
        print(" ", line)
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
