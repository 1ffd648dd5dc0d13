"""What a checkpoint records of its link head: the scheme, what makes scores probabilities, and from which score on they are said.
`eventtag.links.fitting` fits it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from eventtag.errors import SettingsError
from eventtag.links.scheme import LinkScheme, scheme_from_json
from eventtag.span import STATUSES


@dataclass(frozen=True)
class LinkCalibration:
    """What decides which links and status are said (`eventtag.links.decoding`).

    `temperature`, `status_temperature`: of the scores of roles and of status. `thresholds`: by role, the least probability of a link,
    given that both spans are right. `further`: that of a further participant of a role in the same event that is coordinated with no
    surer one. `least`: by role, the lowest score of a link as a whole. `absent`: by role, the probability of the best candidate up to
    which nobody has the role; above it, and below the threshold, it is unknown. `status_thresholds`: by status, the least probability
    of it given the event; below it, the status is None. `targets` says what thresholds were chosen for and reach on the articles that
    `fitted_on` describes.
    """

    temperature: float = 1.0
    status_temperature: float = 1.0
    thresholds: Mapping[str, float] = field(default_factory=dict)
    further: float = 0.0
    least: Mapping[str, float] = field(default_factory=dict)
    absent: Mapping[str, float] = field(default_factory=dict)
    status_thresholds: Mapping[str, float] = field(default_factory=dict)
    targets: Mapping[str, Any] = field(default_factory=dict)
    fitted_on: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not all(0 < value < math.inf for value in (self.temperature, self.status_temperature)):
            raise SettingsError("links: a temperature is not above 0")
        by_name = (self.thresholds, self.least, self.absent, self.status_thresholds)
        if not all(0 <= value <= 1 for value in (self.further, *(value for values in by_name for value in values.values()))):
            raise SettingsError("links: a threshold is not 0 to 1")


@dataclass(frozen=True)
class LinkInfo:
    """What a checkpoint records of its link head."""

    scheme: LinkScheme
    calibration: LinkCalibration = field(default_factory=LinkCalibration)

    def to_json(self) -> dict[str, Any]:
        """JSON-like values, which `info_from_json` reads."""
        return {"scheme": self.scheme.to_json(), "calibration": asdict(self.calibration)}


def info_from_json(value: Mapping[str, Any]) -> LinkInfo:
    """The record of a checkpoint; raises SettingsError, KeyError or TypeError for one that is none.

    A record without `absent` says of no role that nobody has it. The key `status_threshold` of older records was 0 in all of them.
    """
    written = {key: part for key, part in value["calibration"].items() if key != "status_threshold"}
    scheme, calibration = scheme_from_json(value["scheme"]), LinkCalibration(**written)
    for thresholds, known, what in (
        (calibration.thresholds, scheme.roles, "role"),
        (calibration.least, scheme.roles, "role"),
        (calibration.absent, scheme.roles, "role"),
        (calibration.status_thresholds, STATUSES, "status"),
    ):
        if unknown := [name for name in thresholds if name not in known]:
            raise SettingsError(
                f"links: there is a threshold for the {what} {unknown[0]!r}, which is not one of {', '.join(known)}"
            )
    return LinkInfo(scheme, calibration)
