"""Figures of a running server in the text format of Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

Sample = tuple[Mapping[str, str], float]


class Requests:
    """How many requests each address answered with which status, and the seconds that they took."""

    def __init__(self) -> None:
        self.answered: Counter[tuple[str, int]] = Counter()
        self.seconds: Counter[str] = Counter()

    def add(self, path: str, status: int, seconds: float) -> None:
        """Count one request."""
        self.answered[path, status] += 1
        self.seconds[path] += seconds  # type: ignore[assignment]


def render(metrics: Iterable[tuple[str, str, str, Iterable[Sample]]]) -> str:
    """The text of metrics: name, kind (counter or gauge), what it is, samples."""
    return "".join(line + "\n" for metric in metrics for line in _lines(*metric))


def _lines(name: str, kind: str, text: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP eventtag_{name} {text}"
    yield f"# TYPE eventtag_{name} {kind}"
    for labels, value in samples:
        inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        yield f"eventtag_{name}{{{inner}}} {value:g}" if inner else f"eventtag_{name} {value:.10g}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
