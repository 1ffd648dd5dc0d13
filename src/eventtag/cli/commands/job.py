"""`eventtag job status OUTPUT` and `eventtag job assemble OUTPUT`: tagging jobs that many tasks share."""

from __future__ import annotations

import argparse

from eventtag.cli.file_command import nonempty, run_file_command
from eventtag.cli.terminal import print_message, print_result
from eventtag.errors import SettingsError


def run() -> int:
    """Do what the command line says."""
    return run_file_command(_parser(), _task)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="eventtag job", description="Look at a tagging job of many tasks (predict shard=...).")
    commands = parser.add_subparsers(dest="action", required=True, metavar="status | assemble")
    status = commands.add_parser(
        "status",
        description="Say how far a job is. On standard output stands what is missing as sbatch takes it: --array=4,17,88",
        epilog="example: sbatch $(eventtag job status tagged.parquet) tag.sh",
    )
    assemble = commands.add_parser(
        "assemble",
        description="Put the output together when all tasks are done. The last task does so by itself, unless it is killed.",
    )
    for command in (status, assemble):
        command.add_argument(
            "output", type=nonempty("OUTPUT"), metavar="OUTPUT", help="the job's output, or its folder OUTPUT.job"
        )
    assemble.add_argument(
        "--max-bad-rows",
        type=_number,
        default=0.05,
        metavar="N",
        help="rows that may be left untagged before the exit code is 1: a share of all if below 1, else a number (default: 0.05)",
    )
    return parser


def _number(text: str) -> float:
    try:
        if (value := float(text)) >= 0:
            return value
    except ValueError:
        pass
    raise SettingsError(f"--max-bad-rows: {text!r} is not allowed; give a share such as 0.05, or a number of rows from 1 on")


def _task(arguments: argparse.Namespace) -> int:
    from eventtag.api.job import assemble_job, job_status

    if arguments.action == "status":
        status = job_status(arguments.output)
        print_message(str(status))
        if status.array:
            print_result(status.array)
        return 0
    report = assemble_job(arguments.output, max_bad_rows=arguments.max_bad_rows)
    again = "; finished before, nothing to do" if report.nothing_to_do else ""
    print_message(f"{report.job.output}: {report.manifest['spans']} spans in {report.articles} articles{again}")
    return 0
