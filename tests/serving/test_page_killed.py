"""The short form of `scripts/kill_page.py`: the server is killed while articles are corrected on its page, where there is Chromium."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from conftest import REPOSITORY
from test_page import CHROMIUM
from warm import warm_programs

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")]


def test_what_the_page_showed_as_accepted_is_kept_although_the_server_was_killed(checkpoint: Path) -> None:
    command = [warm_programs() / "python", REPOSITORY / "scripts" / "kill_page.py", checkpoint, "--kills", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^3 kills \(", done.stdout, re.MULTILINE)
    assert "; 0 wrong\n" in done.stdout
