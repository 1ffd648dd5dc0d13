"""Which way of training is better: variants of `eventtag train`, each with several seeds, as a Markdown table.

    python scripts/measure_training.py outputs/measured --common data=ecbplus --seeds 1 2 3 4 5 \
        --variant plain --variant slow trainer.learning_rate=5e-5 --variant long trainer.epochs=8

Each run is the command `eventtag train` with the common and the variant's settings, in FOLDER/VARIANT/SEED. Predictions and scores of
a run are kept, its weights are deleted. Finished runs are not repeated and unfinished ones go on, so the same command can be given
again after a stop or with more variants and seeds. A variant without finished runs, or with fewer, is shown as it is. Predictions of
another program take part too: put them as FOLDER/NAME/SEED/predictions.jsonl and name the variant NAME.

What the table says, all of it strict F1 on the articles of --split (validation articles chose the epoch of each run):

* micro F1: mean over seeds, and a 95 % interval for that mean by Student's t: what other seeds would do on these articles.
* difference: to the first variant, over the seeds that both have; with a paired t interval (other seeds, these articles), and an
  interval and a p-value over articles (these seeds, other articles): all seeds' counts are added up by article, then resampled and
  swapped as `eventtag compare` does, articles of one cluster together. p-values are not corrected for the number of variants.
* CPU s: processor seconds of a run, mean.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
from scipy.stats import t as student

from eventtag.article import Article
from eventtag.cli.hydra_task import compose_data
from eventtag.corpus.clusters import clusters_of
from eventtag.corpus.loading import load_corpus
from eventtag.errors import EventtagError, SettingsError
from eventtag.formats.registry import read_articles
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger
from eventtag.scoring.compare import compare_systems
from eventtag.scoring.pairing import pair_predictions
from eventtag.scoring.report import score_articles
from eventtag.scoring.tally import Tally

LEVEL = 0.95


@dataclass(frozen=True)
class Plan:
    """What is to be run: `common` settings, and each variant's own by its name; the split that is scored."""

    folder: Path
    common: tuple[str, ...]
    variants: Mapping[str, tuple[str, ...]]
    seeds: tuple[int, ...]
    split: str

    def run_dir(self, variant: str, seed: int) -> Path:
        """Where a run's files are."""
        return self.folder / variant / str(seed)

    def output(self, variant: str, seed: int) -> Path:
        """What the training command says; beside the run's directory, which `eventtag train` wants empty."""
        return self.folder / variant / f"{seed}-output.txt"

    def scored_dir(self, variant: str, seed: int) -> Path:
        """Where its predictions for the scored articles are."""
        run = self.run_dir(variant, seed)
        return run if self.split == "validation" else run / self.split


@dataclass(frozen=True)
class Measured:
    """The finished runs of a variant by seed: their counts, and CPU seconds where this script ran them."""

    tallies: Mapping[int, Tally]
    seconds: tuple[float, ...]


def finished(plan: Plan, variant: str, seed: int) -> bool:
    """Whether the run's predictions are whole; those of another program always are."""
    run = plan.run_dir(variant, seed)
    trained = (run / "metrics.json").exists() or not (run / "run.json").exists()
    return trained and (plan.scored_dir(variant, seed) / "predictions.jsonl").exists()


def run(plan: Plan, variant: str, seed: int) -> str | None:
    """Train, score and clean up one run; returns what went wrong, if anything."""
    run_dir = plan.run_dir(variant, seed)
    run_dir.parent.mkdir(parents=True, exist_ok=True)
    settings = [*plan.common, *plan.variants[variant]]
    seconds = 0.0
    if not (run_dir / "metrics.json").exists():
        status, spent = _command(
            ["train", *settings, f"seed={seed}", "resume=true", f"run_dir={run_dir}"], plan.output(variant, seed)
        )
        seconds += spent
        if status:
            return f"{variant} {seed}: exit {status}; {_last_line(plan.output(variant, seed))} ({plan.output(variant, seed)})"
    if plan.split != "validation":
        data = [setting for setting in settings if re.match(r"data[.=@]", setting)]
        target = plan.scored_dir(variant, seed)
        status, spent = _command(
            ["evaluate", f"checkpoint={run_dir / 'checkpoint'}", *data, f"split={plan.split}", f"run_dir={target}"],
            run_dir / "scoring.txt",
        )
        seconds += spent
        if status:
            return f"{variant} {seed}: exit {status}; {_last_line(run_dir / 'scoring.txt')} ({run_dir / 'scoring.txt'})"
    (run_dir / "cost.json").write_text(json.dumps({"cpu_seconds": seconds}) + "\n", encoding="utf-8")
    for weights in ("checkpoint", "trainer"):
        shutil.rmtree(run_dir / weights, ignore_errors=True)
    return None


def _command(arguments: Sequence[str], output: Path) -> tuple[int, float]:
    """Exit status and CPU seconds of an `eventtag` command; what it says is appended to `output`."""
    with output.open("ab") as file:
        process = subprocess.Popen([sys.executable, "-m", "eventtag.cli.main", *arguments], stdout=file, stderr=subprocess.STDOUT)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except KeyboardInterrupt:
            process.wait()  # it got the signal as well
            raise
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    said = [line for line in lines if line and not line.startswith("Set the environment variable HYDRA_FULL_ERROR")]
    return (said or ["no output"])[-1][:300]


def measure(plan: Plan, variant: str, gold: Mapping[str, Article], labels: LabelSet) -> Measured:
    """Score what is finished of a variant."""
    tallies, seconds = {}, []
    for seed in plan.seeds:
        if not finished(plan, variant, seed):
            continue
        path = plan.scored_dir(variant, seed) / "predictions.jsonl"
        pairs, _ = pair_predictions(gold, read_articles(path, "jsonl", ledger=LossLedger(), options={}), source=str(path))
        tallies[seed] = score_articles(pairs, labels, words=None).tally
        cost = plan.run_dir(variant, seed) / "cost.json"
        if cost.exists():
            seconds.append(float(json.loads(cost.read_text(encoding="utf-8"))["cpu_seconds"]))
    return Measured(tallies, tuple(seconds))


def render(measured: Mapping[str, Measured], labels: LabelSet, clusters: Mapping[str, Hashable] | None) -> str:
    """The table; a variant without finished runs has no row."""
    head = ["variant", "seeds", "micro F1", "difference", "p (articles)", *labels.labels, "CPU s"]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    reference = next(iter(measured))
    for name, found in measured.items():
        if not found.tallies:
            continue
        micro = [tally.counts("strict").f1 for tally in found.tallies.values()]
        by_label = [fmean(tally.counts("strict", label).f1 for tally in found.tallies.values()) for label in labels.labels]
        difference, p = "", ""
        common = [seed for seed in measured[reference].tallies if seed in found.tallies]
        if name != reference and common:
            difference, p = compare(measured[reference].tallies, found.tallies, common, clusters)
        cost = f"{fmean(found.seconds):.0f}" if found.seconds else ""
        rows.append([name, str(len(micro)), _with_interval(micro), difference, p, *(f"{value:.4f}" for value in by_label), cost])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def compare(
    first: Mapping[int, Tally], second: Mapping[int, Tally], seeds: Sequence[int], clusters: Mapping[str, Hashable] | None
) -> tuple[str, str]:
    """The difference of micro F1 over the seeds with both intervals, in points, and its p-value over articles."""
    gaps = [100 * (second[seed].counts("strict").f1 - first[seed].counts("strict").f1) for seed in seeds]
    over_articles = compare_systems(
        {"first": add_tallies([first[seed] for seed in seeds]), "second": add_tallies([second[seed] for seed in seeds])},
        clusters=clusters,
    )
    found = over_articles.pairs[0].difference("strict", "micro")
    reach = half_width(gaps)
    intervals = [] if reach is None else [f"seeds {fmean(gaps) - reach:+.2f} to {fmean(gaps) + reach:+.2f}"]
    if found.low is not None and found.high is not None:
        intervals.append(f"articles {100 * found.low:+.2f} to {100 * found.high:+.2f}")
    text = f"{fmean(gaps):+.2f}" + (f" ({'; '.join(intervals)})" if intervals else "")
    return text, "" if found.p is None else f"{found.p:.4f}"


def add_tallies(tallies: Sequence[Tally]) -> Tally:
    """One tally with the counts of several runs on the same articles added up."""
    first = tallies[0]
    return Tally(first.article_ids, first.schemes, first.labels, np.sum([tally.values for tally in tallies], axis=0))


def half_width(values: Sequence[float]) -> float | None:
    """Half of the t interval of a mean; None for a single value."""
    if len(values) < 2:
        return None
    return float(student.ppf((1 + LEVEL) / 2, len(values) - 1)) * stdev(values) / len(values) ** 0.5


def _with_interval(values: Sequence[float]) -> str:
    reach = half_width(values)
    return f"{fmean(values):.4f}" + ("" if reach is None else f" ({fmean(values) - reach:.4f} to {fmean(values) + reach:.4f})")


def main() -> int:
    """Run what is missing, print the table, and write it to FOLDER/table-SPLIT.md; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the runs")
    parser.add_argument(
        "--variant", action="append", nargs="+", required=True, metavar="NAME [key=value", help="once per variant"
    )
    parser.add_argument("--common", nargs="*", default=[], metavar="key=value", help="settings of every variant")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--split", choices=("validation", "test"), default="validation", help="articles that are scored")
    parser.add_argument("--processes", type=int, default=1, help="runs at a time (default: 1)")
    parser.add_argument("--table", action="store_true", help="run nothing, print the table of what is finished")
    arguments = parser.parse_args()
    variants = {name: tuple(settings) for name, *settings in arguments.variant}
    plan = Plan(arguments.folder.resolve(), tuple(arguments.common), variants, tuple(arguments.seeds), arguments.split)
    try:
        problems = [] if arguments.table else run_missing(plan, arguments.processes)
        data = compose_data([setting for setting in plan.common if re.match(r"data[.=@]", setting)])
        corpus = load_corpus(data)
        gold = {a.id: a for a in corpus.articles(plan.split) if a.annotated is None or a.annotated}
        clusters, rule = clusters_of(list(gold.values()), data.cluster_field)
        measured = {name: measure(plan, name, gold, corpus.labels) for name in variants}
        if not any(found.tallies for found in measured.values()):
            raise SettingsError(f"{plan.folder}: no run is finished; see VARIANT/SEED-output.txt in it")
        table = render(measured, corpus.labels, clusters)
    except EventtagError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    text = f"{corpus.name}, {plan.split}: {len(gold)} articles, resampled by {rule}\n\n{table}\n"
    (plan.folder / f"table-{plan.split}.md").write_text(text, encoding="utf-8")
    print(text)
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


def run_missing(plan: Plan, processes: int) -> list[str]:
    """Run what is not finished, seed by seed so that an early stop leaves whole rounds; returns the problems."""
    for variant, settings in plan.variants.items():
        _require_same_settings(plan, variant, settings)
    jobs = [(variant, seed) for seed in plan.seeds for variant in plan.variants if not finished(plan, variant, seed)]
    problems = []
    with ThreadPoolExecutor(processes) as pool:
        for (variant, seed), problem in zip(jobs, pool.map(lambda job: run(plan, *job), jobs), strict=True):
            print(f"{variant} {seed}: {'failed' if problem else 'finished'}", file=sys.stderr, flush=True)
            if problem:
                problems.append(problem)
    return problems


def _require_same_settings(plan: Plan, variant: str, settings: tuple[str, ...]) -> None:
    """Raise SettingsError where the variant's folder holds runs with other settings."""
    record = plan.folder / variant / "settings.json"
    wanted = [*plan.common, *settings]
    if record.exists():
        found = json.loads(record.read_text(encoding="utf-8"))
        if found != wanted:
            raise SettingsError(f"{record.parent}: holds runs with {' '.join(found)}, not {' '.join(wanted)}; use another name")
        return
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps(wanted) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
