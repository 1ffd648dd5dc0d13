"""`eventtag lint DATA`: finds mistakes in annotated articles before training."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from eventtag.api.articles import require_names
from eventtag.api.lint import lint
from eventtag.cli.file_command import add_reading, announce_format, nonempty, reading_of, run_file_command, whole_number
from eventtag.cli.terminal import print_message, print_result
from eventtag.corpus.lint import ALL_RULES, MODEL_RULE, SEVERITIES, LintReport
from eventtag.errors import SettingsError
from eventtag.printable import printable
from eventtag.reporting.table import table
from eventtag.settings import TrainSettings
from eventtag.staging import require_absent, staged_file


def run() -> int:
    """Lint as the command line says; 1 where something is as bad as `--fail-on`."""
    return run_file_command(_parser(), _task)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="eventtag lint",
        description="Find mistakes in annotated articles: spans, texts, labels, and mentions that are annotated in different ways. "
        "The exit code is 1 where something is as bad as --fail-on, so that it can guard a pipeline.",
    )
    parser.add_argument("data", metavar="DATA", help="file or folder to read, or data=NAME")
    add_reading(parser)
    group = parser.add_argument_group("checking")
    group.add_argument(
        "--show", type=whole_number("--show", least=0), default=5, metavar="N", help="findings to show of each rule (default: 5)"
    )
    group.add_argument("--rule", action="append", default=[], metavar="RULE", help="show the findings of this rule only")
    group.add_argument("--json", type=nonempty("--json"), metavar="FILE", help="write all findings, as JSON Lines")
    group.add_argument(
        "--fix",
        type=nonempty("--fix"),
        metavar="FILE",
        help="write the articles with the safe repairs made, in the format of the suffix",
    )
    group.add_argument("--fail-on", choices=(*SEVERITIES, "never"), default="error", help="severity that makes the exit code 1")
    model = parser.add_argument_group("judging by a model (docs/how-to/check.md): a ranked list of likely annotation errors")
    model.add_argument(
        "--checkpoint",
        type=nonempty("--checkpoint"),
        metavar="DIR",
        help="what a trained tagger says otherwise; best one trained on other articles",
    )
    model.add_argument(
        "--cross-validate",
        type=whole_number("--cross-validate", least=2),
        metavar="K",
        help="train K taggers, so that each article is judged by one that did not see it",
    )
    model.add_argument(
        "--train",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of `eventtag train` for these, such as model=roberta_base",
    )
    model.add_argument(
        "--seen",
        choices=("exclude", "include"),
        default="exclude",
        help="articles that the judging model learnt from: left out (the default), or judged all the same",
    )
    group.add_argument(
        "--max-words",
        type=whole_number("--max-words", least=1),
        default=350,
        help="words that fit into one window (default: 350)",
    )
    return parser


def _check(arguments: argparse.Namespace) -> None:
    require_names("--rule", arguments.rule, ALL_RULES, "rule")
    if arguments.checkpoint and arguments.cross_validate:
        raise SettingsError("--checkpoint and --cross-validate: give one of them")
    if MODEL_RULE in arguments.rule and not (arguments.checkpoint or arguments.cross_validate):
        raise SettingsError(f"--rule {MODEL_RULE!r}: a model finds these; give --checkpoint DIR or --cross-validate K")
    if arguments.train and not arguments.cross_validate:
        raise SettingsError("--train: sets what --cross-validate K trains; give both")
    for output in (arguments.json, arguments.fix):
        if output:
            require_absent(Path(output))


def _task(arguments: argparse.Namespace) -> int:
    _check(arguments)
    announce_format(arguments, arguments.data)
    training = compose_for_folds(arguments.train) if arguments.cross_validate else None
    report = lint(
        reading_of(arguments, arguments.data),
        max_words=arguments.max_words,
        checkpoint=arguments.checkpoint,
        cross_validate=arguments.cross_validate,
        training=training,
        seen=arguments.seen,
        fix=arguments.fix,
    )
    for note in report.notes:
        print_message(note)
    if arguments.json:
        with staged_file(Path(arguments.json)) as file:
            file.writelines(printable(json.dumps(finding.to_json(), ensure_ascii=False)) + "\n" for finding in report.findings)
    if arguments.fix:
        print_message(f"{arguments.fix}: written with the safe repairs")
    _show(report, arguments.show, arguments.rule)
    return 0 if arguments.fail_on == "never" else int(report.at_least(arguments.fail_on) > 0)


def compose_for_folds(overrides: list[str]) -> TrainSettings:
    """The settings of `eventtag train` for cross-validation on the linted articles."""
    from eventtag.cli.hydra_task import compose_training

    return compose_training(["data=corpus", "data.path=unused", *overrides])


def _show(report: LintReport, shown: int, rules: list[str]) -> None:
    for (severity, rule), count in report.counts().items():
        if rules and rule not in rules:
            continue
        findings = [finding for finding in report.findings if finding.rule == rule and finding.severity == severity]
        print_result(f"{severity}: {rule} ({count}) - {findings[0].fix}")
        for finding in findings[:shown]:
            place = "" if finding.start is None else f" {finding.start}-{finding.end}"
            where = "  ".join(part for part in (finding.article_id, f"{finding.label or ''}{place}".strip()) if part)
            print_result("  " + printable(f"{where}: {finding.message}", one_line=True))
            if finding.context:
                print_result("      " + printable(finding.context, one_line=True))
        if count > shown:
            print_result(f"  ... and {count - shown} more (--show {count}, --rule {rule!r}, --json FILE)")
        print_result()
    totals = [(severity, sum(f.severity == severity for f in report.findings)) for severity in SEVERITIES]
    print_result(table(("findings", "count"), totals))
    print_result(f"in {report.articles} articles with {report.spans} spans")
