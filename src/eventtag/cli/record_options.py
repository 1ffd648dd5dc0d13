"""The options of commands that count event records."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from eventtag.cli.file_command import nonempty, pairs, share


def add_record_options(parser: argparse.ArgumentParser) -> None:
    """Add the options; `record_options` reads them."""
    group = parser.add_argument_group("event records (quantities such as 'records:status=asserted AGENT~police')")
    group.add_argument(
        "--linking",
        choices=("given", "nearest"),
        default="given",
        help="who takes part in the tagged articles: as they say (default), or by the naive rule of the nearest event",
    )
    add_score_options(group)


def add_score_options(group: argparse._ActionsContainer) -> None:
    """Add the lowest scores of links and status, and the file of categories."""
    group.add_argument(
        "--link-threshold",
        action="append",
        default=[],
        metavar="ROLE=SCORE",
        help="the lowest score of links of a role, such as AGENT=0.8",
    )
    group.add_argument(
        "--status-threshold",
        type=share("--status-threshold"),
        default=0.0,
        metavar="SCORE",
        help="the lowest score of a status; a less sure one is unknown",
    )
    group.add_argument(
        "--categories", type=nonempty("--categories"), metavar="FILE", help="phrases and your codes for them, as YAML or CSV"
    )


def record_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the options say, as keyword arguments of `eventtag.count` and `eventtag.estimate`."""
    return {
        "linking": arguments.linking,
        "link_thresholds": scores(arguments.link_threshold, "--link-threshold"),
        "status_threshold": arguments.status_threshold,
        "categories": arguments.categories,
    }


def scores(items: Sequence[str], option: str) -> dict[str, float]:
    """The scores that `NAME=SCORE` name."""
    return {name: share(f"{option} {name}")(str(value)) for name, value in pairs(items, option).items()}
