"""docs/tutorial/published-figure.md runs as it stands and shows what it says; and the same on ECB+."""

import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY
from estimate_ecbplus import make_pool, make_tags, read_sentences, sample_again
from simulate_estimates import corrected, held, narrowing
from warm import warm_programs

pytestmark = pytest.mark.slow

PAGE = (REPOSITORY / "docs" / "tutorial" / "published-figure.md").read_text(encoding="utf-8")


def test_the_page_prints_what_it_shows(tmp_path):
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
    done = subprocess.run([warm_programs() / "python", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (shown,) = re.findall(r"^```text\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert done.stdout.endswith(shown)
    rows = [row.split()[1:] for row in shown.splitlines()[1:14]]
    assert all(float(low) <= float(truth) <= float(high) for _, truth, _, _, low, high, _, _ in rows)


@pytest.mark.corpora
def test_on_ecbplus_the_corrected_interval_holds_what_people_found():
    if "EVENTTAG_CORPORA" not in os.environ:
        pytest.skip("EVENTTAG_CORPORA is not set")
    articles = read_sentences(Path(os.environ["EVENTTAG_CORPORA"]) / "ecbplus")
    pool = make_pool(articles, make_tags(articles, 0.79, 0.75, seed=2))
    assert (pool.recall, pool.precision) == pytest.approx((0.79, 0.75), abs=0.02)
    found = sample_again(pool, 200, share=False, by_counts=True, samples=150, seed=3)
    covered, without = held(corrected(found))
    assert covered >= 95 - 300 * (0.05 * 0.95 / 150) ** 0.5
    assert without == 0
    assert narrowing(found) < 0.5
    naive = found[0].estimate.naive
    assert not naive.low < found[0].truth < naive.high
    assert np.mean([outcome.estimate.mean for outcome in found]) == pytest.approx(found[0].truth, rel=0.01)
