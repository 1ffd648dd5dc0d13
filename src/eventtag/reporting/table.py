"""Tables as plain text, safe for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from eventtag.printable import printable


def table(header: Sequence[str], rows: Sequence[Sequence[object]], *, left: int = 1) -> str:
    """A table in plain text, without a newline at its end; see `table_lines`."""
    return "\n".join(table_lines(header, rows, left=left))


def table_lines(header: Sequence[str], rows: Sequence[Sequence[object]], *, left: int = 1) -> list[str]:
    """The lines of a table: the header, a rule, the rows. The first `left` columns are aligned to the left, the others to the right. None
    becomes a dash, and numbers with a fraction get three decimals.
    """
    first, *others = align_columns([header, *rows], left=left)
    return [first, "-" * max(map(len, [first, *others])), *others]


def align_columns(rows: Sequence[Sequence[object]], *, left: int = 1) -> list[str]:
    """Rows of equal length as lines, with two spaces between columns; cells as in `table_lines`."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if number < left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else printable(str(value), one_line=True)
