"""`eventtag predict` with the scripts' stub in place of a checkpoint's tagger; PAUSE is the time that an article takes."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from stub_tagger import MakeStub

from eventtag.api import predict as tagging
from eventtag.cli.main import main
from eventtag.labels import LabelSet
from eventtag.models import checkpoint

if __name__ == "__main__":
    tagging.build_factory = lambda settings, precision, threads=None: MakeStub(pause=float(os.environ.get("PAUSE", "0")))
    read_info = lambda path, unread: (SimpleNamespace(labels=LabelSet()), f"sha256 of {path}")  # noqa: E731
    tagging.read_info = checkpoint.read_info = read_info
    tagging.choose_precision = lambda path, precision, threads: "fp32"
    sys.exit(main())
