import numpy as np
import pytest

from eventtag.errors import DataError
from eventtag.scoring.learning_curve import LearningPoint, fit_learning_curve

SIZES = (25, 50, 100, 150, 200)


def points(end=0.8, scale=1.5, exponent=0.6, error=0.0, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    return [LearningPoint(n, end - scale * n**-exponent + noise * rng.normal(), error) for n in SIZES]


def test_a_curve_without_noise_is_found():
    curve = fit_learning_curve(points())
    assert (curve.end, curve.exponent) == (pytest.approx(0.8, abs=0.005), pytest.approx(0.6, abs=0.03))
    assert curve.gain == pytest.approx(1.5 * (200**-0.6 - 300**-0.6), abs=0.001)
    assert curve.low <= curve.gain <= curve.high
    assert curve.score(300) - curve.score(200) == pytest.approx(curve.gain)


def test_the_interval_holds_the_true_gain_most_of_the_time():
    true = 1.5 * (200**-0.6 - 300**-0.6)
    curves = [fit_learning_curve(points(error=0.01, noise=0.01, seed=seed)) for seed in range(60)]
    assert np.mean([curve.low <= true <= curve.high for curve in curves]) >= 0.9


def test_the_curve_never_falls_and_never_exceeds_one():
    falling = fit_learning_curve([LearningPoint(n, 0.9 - n / 1000, 0.01) for n in SIZES])
    assert falling.gain == 0.0
    rising = fit_learning_curve([LearningPoint(n, min(1.0, 0.5 + n / 400), 0.01) for n in SIZES])
    assert rising.end <= 1.0
    assert rising.score(10**6) <= 1.0


def test_too_few_numbers_of_articles_are_an_error():
    with pytest.raises(DataError, match="three or more different numbers"):
        fit_learning_curve([LearningPoint(10, 0.5, 0.01), LearningPoint(10, 0.6, 0.01), LearningPoint(20, 0.6, 0.01)])


def test_scores_off_the_curve_make_it_less_sure():
    sizes, error = (13, 26, 52), 0.01
    points = [LearningPoint(n, score, error) for n, score in zip(sizes, (0.35, 0.52, 0.79), strict=True)]
    far = fit_learning_curve(points, more=50)
    assert far.law_low < 0.03 < far.gain
    assert far.low <= far.law_low


FORMS = {
    "logarithm": lambda n: 0.2 + 0.09 * np.log(n),
    "exponential": lambda n: 0.8 - 0.5 * np.exp(-n / 60),
    "S-shaped": lambda n: 0.1 + 0.7 / (1 + (150 / n) ** 2.5),
    "ends abruptly": lambda n: np.minimum(0.3 + 0.09 * np.log(n), 0.3 + 0.09 * np.log(120)),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_promise_holds_when_the_curve_is_no_power_law(form):
    """Where the interval that supposes the power law holds the true gain almost never."""
    truth, sizes, error = FORMS[form], (13, 26, 52, 105, 210), 0.01
    gain, held, law = truth(310) - truth(210), [], []
    for seed in range(25):
        noise = np.random.default_rng(seed).normal(0, error, len(sizes))
        curve = fit_learning_curve([LearningPoint(n, truth(n) + e, error) for n, e in zip(sizes, noise, strict=True)])
        held.append(curve.low <= gain <= curve.high)
        law.append(curve.law_low <= gain <= curve.law_high)
    assert np.mean(held) >= 0.88
    assert np.mean(law) <= 0.3


def test_scores_that_follow_no_form_say_so():
    scores = (0.5, 0.7, 0.4, 0.8, 0.5)
    curve = fit_learning_curve([LearningPoint(n, f1, 0.01) for n, f1 in zip(SIZES, scores, strict=True)])
    assert curve.misfit_p < 0.001
    assert fit_learning_curve(points(error=0.01)).misfit_p > 0.5


def test_no_promise_goes_beyond_an_f1_of_one():
    curve = fit_learning_curve([LearningPoint(n, f1, 0.02) for n, f1 in ((50, 0.2), (100, 0.5), (200, 0.95))], more=1000)
    assert curve.high < 0.3
