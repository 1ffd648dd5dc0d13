"""Other scorers as judges of ours; scripts/check_scorers.py runs the same on as many cases as one likes."""

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / "scripts" / "check_scorers.py"


@pytest.fixture(scope="module")
def check_scorers():
    spec = importlib.util.spec_from_file_location("check_scorers", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_random_cases_agree_with_search_seqeval_and_nervaluate_but_for_known_classes(check_scorers):
    classes, _, unexplained = check_scorers.check(3000, seed=1)
    assert unexplained == []
    assert {reason for _, reason in classes} <= {"first come", "under 1 %"}


def test_neighbours_that_only_touch_are_missed_and_spurious(check_scorers):
    from eventtag.span import Span

    case = ([Span(0, 2, "ACTOR")], [Span(2, 4, "ACTOR")])
    for scheme in ("strict", "exact", "partial", "type"):
        assert check_scorers.five(check_scorers.our_counts(case, scheme)) == (0, 0, 0, 1, 1)
