"""How often the interval of a learning curve's gain holds the true gain, for curves of several forms.

    python scripts/simulate_learning_curve.py --curves 200

Prints a Markdown table: the truth, the sizes, the standard error of each score, how often the interval of all forms and that of the
power law alone hold the true gain from 100 further articles (in percent), and the mean width of both in points.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from eventtag.scoring.learning_curve import LearningPoint, fit_learning_curve

SIZES = ((13, 26, 52, 105, 210), (50, 100, 200, 400, 800))
ERRORS = (0.01, 0.03)
MORE = 100

TRUTHS: dict[str, Callable[[float], float]] = {
    "power law": lambda n: 0.85 - 1.5 * n**-0.6,
    "slow power law": lambda n: 0.95 - 0.9 * n**-0.2,
    "logarithm": lambda n: 0.2 + 0.09 * np.log(n),
    "exponential": lambda n: 0.8 - 0.5 * np.exp(-n / 60),
    "S-shaped": lambda n: 0.1 + 0.7 / (1 + (150 / n) ** 2.5),
    "ends abruptly": lambda n: min(0.3 + 0.09 * np.log(n), 0.3 + 0.09 * np.log(120)),
    "late rise": lambda n: 0.4 + 0.4 / (1 + (300 / n) ** 4),
}


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curves", type=int, default=200, help="curves a row (default: 200)")
    curves = parser.parse_args().curves
    print("| truth | sizes | error | all forms | power law | width, all forms | width, power law |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for name, truth in TRUTHS.items():
        for sizes in SIZES:
            for error in ERRORS:
                gain = truth(sizes[-1] + MORE) - truth(sizes[-1])
                held, widths = [], []
                for seed in range(curves):
                    noise = np.random.default_rng(seed).normal(0, error, len(sizes))
                    points = [LearningPoint(n, float(truth(n) + e), error) for n, e in zip(sizes, noise, strict=True)]
                    found = fit_learning_curve(points, more=MORE)
                    held.append((found.low <= gain <= found.high, found.law_low <= gain <= found.law_high))
                    widths.append((found.high - found.low, found.law_high - found.law_low))
                covered, width = 100 * np.mean(held, axis=0), 100 * np.mean(widths, axis=0)
                row = f"| {name} | {sizes[0]} to {sizes[-1]} | {error:g} | {covered[0]:.0f} | {covered[1]:.0f} |"
                print(f"{row} {width[0]:.1f} | {width[1]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
