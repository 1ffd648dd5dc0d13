"""The loss ledger as a file."""

from __future__ import annotations

from pathlib import Path

from eventtag.ledger import LossLedger
from eventtag.staging import staged_file


def write_losses(ledger: LossLedger, path: Path) -> None:
    """Write every entry and note of a loss ledger as JSON Lines; raises OutputError if the file exists."""
    with staged_file(path) as file:
        file.writelines(f"{line}\n" for line in ledger.json_lines())
