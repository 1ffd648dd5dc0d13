"""Predicted spans whose edges fall inside a string of the text, which are moved to the string's ends.

Moving finds more of the gold than decoding without such edges does (docs/evidence/results.md): there a sign that the model does not expect
in the mention costs the whole mention. A moved span keeps its score, and calibration is fitted on moved spans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from eventtag.heads.span_decoding import overshadowed
from eventtag.span import Span, score_of


def whole_strings(
    spans: Sequence[Span], words: npt.NDArray[np.int64], inside: npt.NDArray[np.bool_], *, overlap: bool
) -> tuple[Span, ...]:
    """The spans, sorted, each from the beginning of its first string to the end of its last.

    `words` [W, 2] are character offsets at which spans begin and end, `inside` [W] as `eventtag.text.strings.inside_string` gives it. Of
    spans that overlap once they are moved, the one with the highest score stays; with `overlap`, this applies only to spans with the same
    offsets and label.
    """
    if not inside.any():
        return tuple(spans)
    begins = np.flatnonzero(~inside)
    starts, ends = words[begins, 0], words[np.append(begins[1:], len(words)) - 1, 1]
    moved = [
        replace(
            span,
            start=int(starts[np.searchsorted(starts, span.start, side="right") - 1]),
            end=int(ends[np.searchsorted(ends, span.end)]),
        )
        for span in spans
    ]
    if overlap:
        best: dict[tuple[int, int, str], Span] = {}
        for span in sorted(moved, key=score_of):
            best[span.start, span.end, span.label] = span
        return tuple(sorted(best.values()))
    return tuple(sorted(span for span, under in zip(moved, overshadowed(moved), strict=True) if not under))
