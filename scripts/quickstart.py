"""The main job on what comes with the project: train on the sample corpus, score the held-out articles, tag an article that no one
annotated. `make quickstart` runs it.

    python scripts/quickstart.py [key=value ...]      further settings go to `eventtag train`
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ARTICLE = Path(__file__).resolve().parent.parent / "data" / "sample" / "unseen.txt"


def main() -> int:
    """Run the three commands, then say how to repeat them; returns the exit code of the first that fails."""
    eventtag = os.path.relpath(Path(sys.executable).with_name("eventtag"))
    article = os.path.relpath(ARTICLE)
    run = Path("outputs/quickstart") / time.strftime("%Y-%m-%d_%H-%M-%S")
    checkpoint = run / "checkpoint"
    steps = {
        "Training on the sample corpus (220 articles)": ["train", "data=sample", "export=false", f"run_dir={run}", *sys.argv[1:]],
        "Scoring the 40 test articles": ["evaluate", f"checkpoint={checkpoint}", "data=sample", f"run_dir={run}/test"],
        f"Tagging {article}": ["predict", f"checkpoint={checkpoint}", f"input={article}", "format=terminal"],
    }
    for title, arguments in steps.items():
        print(f"\n== {title}\n", flush=True)
        code = subprocess.run([eventtag, *arguments], check=False).returncode
        if code:
            return code
    print("== To repeat each step\n")
    for arguments in steps.values():
        # A run directory is never overwritten; without one, each run makes its own.
        print(f"  {eventtag} {' '.join(part for part in arguments if not part.startswith('run_dir='))}")
    print("\n== To use your own articles (docs/reference/formats.md says which formats are read)\n")
    print(f"  {eventtag} train data=corpus data.path=YOUR_ARTICLES.jsonl run_dir=outputs/mine")
    print(f"  {eventtag} evaluate checkpoint=outputs/mine/checkpoint data=corpus data.path=YOUR_ARTICLES.jsonl")
    print(f"  {eventtag} predict checkpoint=outputs/mine/checkpoint input=NEW_ARTICLES output=tagged.jsonl")
    return 0


if __name__ == "__main__":
    sys.exit(main())
