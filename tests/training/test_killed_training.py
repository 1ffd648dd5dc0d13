"""The short form of `scripts/kill_training.py`: runs killed at random instants and at file operations, and on a disk that gets full."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parent.parent.parent / "scripts" / "kill_training.py"


@pytest.mark.skipif(shutil.which("cc") is None or sys.platform != "linux", reason="needs a C compiler, on Linux")
def test_killed_runs_end_as_one_that_was_never_killed():
    options = ["--kills", "2", "--operations", "3", "--full", "1", "--variants", "by step"]
    command = [sys.executable, str(SCRIPT), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "by step: " in done.stdout
    assert "\n0 wrong" in done.stdout
