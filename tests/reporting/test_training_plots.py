import re

import pytest

from eventtag.article import Article
from eventtag.labels import LabelSet
from eventtag.reporting.html import render_page
from eventtag.reporting.training import TrainingHistory, line_plot, training_plots, training_table
from eventtag.scoring.report import score_articles
from eventtag.span import Span

HISTORY = TrainingHistory(
    losses=[(0.5, 1.8), (1.0, 1.2), (1.5, 0.9), (2.0, 0.7)],
    learning_rates=[(0.5, 5e-5), (1.0, 1e-4), (1.5, 5e-5), (2.0, 0.0)],
    scores={"ACTOR": [(1.0, 0.5), (2.0, 0.25)], "micro": [(1.0, 0.6), (2.0, 0.3)]},
    best_epoch=1.0,
)


def points(svg: str, look: str) -> list[tuple[float, float]]:
    (path,) = re.findall(rf'<path class="curve {look}" d="M([\d. ]+)"/>', svg)
    numbers = [float(number) for number in path.split()]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def test_curves_stand_where_their_values_are_on_the_axes():
    svg = str(line_plot({"loss": HISTORY.losses}, title="t", up="loss", mark=1.0))
    axis = re.search(r'class="axis" d="M(\d+) (\d+)V(\d+)H(\d+)"', svg)
    left, top, bottom, right = map(float, axis.groups())
    assert ">2</text>" in svg  # the round number above 1.8 that the axis ends with
    for (x, y), (epoch, loss) in zip(points(svg, "l0 d0"), HISTORY.losses, strict=True):
        assert (x - left) / (right - left) == pytest.approx(epoch / 2, abs=1e-3)
        assert (bottom - y) / (bottom - top) == pytest.approx(loss / 2, abs=1e-3)


def test_several_curves_are_named_and_told_apart_by_more_than_colour():
    _, (svg, caption), _ = training_plots(HISTORY)
    assert ">ACTOR</text>" in svg
    assert ">micro</text>" in svg
    assert "l0 d0" in svg
    assert "l1 d1" in svg
    assert "epoch 1, whose weights are the checkpoint's" in caption


def test_the_table_holds_every_epoch():
    header, rows = training_table(HISTORY)
    assert header == ["epoch", "loss", "learning rate", "ACTOR", "micro"]
    assert rows == [["1", "1.5000", "0.0001", "50.0", "60.0"], ["2", "0.8000", "0", "25.0", "30.0"]]


@pytest.mark.parametrize(
    "history",
    [
        TrainingHistory([], [], {"ACTOR": [], "micro": []}, 1.0),
        TrainingHistory([(0.2, 0.0)], [(0.2, 0.0)], {"ACTOR": [(0.2, 0.0)], "micro": [(0.2, 0.0)]}, 0.2),
        TrainingHistory([(1.0, 1e6)], [(1.0, 1e-9)], {"<b>": [(1.0, 1.0)], "micro": [(1.0, 1.0)]}, 1.0),
    ],
    ids=["nothing logged", "less than an epoch", "large, small and hostile"],
)
def test_odd_histories_are_drawn(history):
    drawn = "".join(svg for svg, _ in training_plots(history))
    assert drawn.count("<svg") == drawn.count("</svg>") == 3
    assert "nan" not in drawn
    assert "<b>" not in drawn
    training_table(history)


def test_the_page_of_a_run_shows_how_it_went_and_that_of_an_evaluation_does_not():
    article = Article("a", "Police met men.", (Span(0, 6, "ACTOR"),))
    report = score_articles([(article, article.spans)], LabelSet())
    assert 'id="training-title"' not in render_page(report, [(article, article.spans)])
    page = render_page(report, [(article, article.spans)], training=HISTORY)
    assert page.count('aria-label="Training loss by epoch"') == 1
    assert re.search(r'<tr class="average"><th scope="row">1</th><td>1.5000</td>', page)
    assert "style=" not in page.split('id="training-title"')[1].split("</section>")[0]
