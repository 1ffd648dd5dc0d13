"""`estimate` corrects what a tagger counted, says what its sample is worth, and refuses what it cannot know."""

import csv
import json
import random
from dataclasses import replace

import pytest

import eventtag
from eventtag.article import Article
from eventtag.corpus.seen import seen_articles, write_seen
from eventtag.errors import DataError, OutputError, SettingsError
from eventtag.estimates.estimate_rows import NOTHING_SAYS, coefficient_rows
from eventtag.manifest import write_manifest
from eventtag.span import Span

MONTHS = 4


def year_of_news(count=1200):
    """Tagged articles and the same as people see them: the tagger misses a third of the events after the second month."""
    tagged, gold = [], []
    for number in range(count):
        month = number * MONTHS // count
        events = (number * 7) % 5
        text = f"Report {number}. " + " ".join(f"protest{number}x{part}" for part in range(events)) + " The end."
        spans, at = [], len(f"Report {number}. ")
        for part in range(events):
            size = len(f"protest{number}x{part}")
            spans.append(Span(at, at + size, "EVENT"))
            at += size + 1
        found = [span for place, span in enumerate(spans) if (number // 5 + place) % 3 or month < 2]
        wrong = [Span(0, 6, "EVENT")] if number % 10 == 3 else []
        meta = {"date": f"2024-{month + 1:02d}-{number % 28 + 1:02d}", "country": "Peru" if number % 2 else "Kenya"}
        tagged.append(Article(f"a{number}", text, tuple(replace(span, score=0.9) for span in found + wrong), meta=meta))
        gold.append(Article(f"a{number}", text, tuple(spans), meta=meta))
    return tagged, gold


TAGGED, GOLD = year_of_news()
CHOSEN = random.Random(2).sample(GOLD, 200)
TRUTH = sum(len(article.spans) for article in GOLD) / len(GOLD)


def annotate(drawn):
    """The drawn articles as people return them."""
    spans = {article.id: article.spans for article in GOLD}
    return [replace(article, spans=spans[article.id], annotated=None) for article in drawn]


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    drawn = eventtag.sample(TAGGED, tmp_path_factory.mktemp("sample") / "s.jsonl", n=240, by=["month"], counts=["EVENT"])
    return annotate(drawn.articles)


def test_the_truth_is_in_the_corrected_interval_and_not_in_the_naive_one(sample):
    result = eventtag.estimate(TAGGED, sample, ["month"], quantities=["EVENT", "any:EVENT"])
    whole = result.quantities[0].whole
    assert whole.corrected.low < TRUTH < whole.corrected.high
    assert not whole.naive.low < TRUTH < whole.naive.high
    assert whole.corrected.half_width < whole.gold.half_width / 2
    assert 3 * len(sample) < whole.effective < len(TAGGED)
    assert [cell.values for cell in result.quantities[0].cells] == [(f"2024-0{month}",) for month in range(1, 5)]
    share = result.quantities[1].whole.corrected
    assert share.low < 0.8 < share.high <= 1


def test_rows_for_pandas_have_totals_and_all_cells(sample):
    table = eventtag.estimate(TAGGED, sample, ["month", "country"], quantities=["EVENT"]).to_pandas()
    assert len(table) == 1 + MONTHS * 2
    assert list(table.columns[:4]) == ["quantity", "part", "month", "country"]
    assert table["total"][0] == pytest.approx(table["estimate"][0] * len(TAGGED))
    assert table["articles"][1:].sum() == len(TAGGED)
    assert table["annotated"][1:].sum() == len(sample)


def test_differences_and_the_trend_have_p_values_by_holm(sample):
    figures = eventtag.estimate(TAGGED, sample, ["month"], quantities=["EVENT"]).quantities[0]
    assert [(change.first[0], change.second[0]) for change in figures.changes] == [
        (f"2024-0{month}", f"2024-0{month + 1}") for month in range(1, 4)
    ]
    tested = [change for change in figures.changes if change.contrast.p is not None]
    assert tested
    assert all(change.adjusted >= change.contrast.p for change in tested)
    assert all(change.contrast.note for change in figures.changes if change not in tested)
    (trend,) = figures.trends
    assert trend.contrast.figure.low < 0 < trend.contrast.figure.high


def test_without_probabilities_there_are_figures_and_no_intervals():
    chosen = GOLD[:200]
    result = eventtag.estimate(TAGGED, chosen, ["month"], quantities=["EVENT"], regress=["country"])
    whole = result.quantities[0].whole
    assert whole.corrected.value is not None
    assert whole.corrected.low is whole.gold.low is whole.effective is None
    assert any("--drawn random" in note for note in result.notes)
    assert result.quantities[0].regression is None
    assert result.quantities[0].trends[0].contrast.p is None


def test_a_sample_that_is_said_to_be_random_has_intervals():
    whole = eventtag.estimate(TAGGED, CHOSEN, quantities=["EVENT"], drawn="random").quantities[0].whole
    assert whole.corrected.low < TRUTH < whole.corrected.high


def test_a_regression_recovers_what_people_would_have_found(sample):
    figures = eventtag.estimate(TAGGED, sample, quantities=["EVENT"], regress=["time:month", "country"]).quantities[0]
    assert figures.regression.names == ("(constant)", "time:month", "country=Peru (against Kenya)")
    low, high = figures.regression.regression.interval(0.95)
    assert low[1] < 0 < high[1]
    assert figures.regression.regression.method == "dsl"
    equal = eventtag.estimate(TAGGED, CHOSEN, quantities=["EVENT"], drawn="random", regress=["country"], family="poisson")
    assert equal.quantities[0].regression.regression.method == "ppi"


def test_articles_that_are_not_tagged_or_not_annotated_are_counted(sample):
    stranger = replace(sample[0], id="stranger")
    untouched = replace(sample[1], spans=(), annotated=())
    result = eventtag.estimate(TAGGED, [stranger, untouched, *sample[2:]], quantities=["EVENT"])
    assert result.quantities[0].whole.annotated == len(sample) - 2
    notes = "\n".join(result.notes)
    assert (
        f"1 of {len(sample)} annotated articles are not among the tagged ones and are left out, the first is 'stranger'" in notes
    )
    assert f"1 of {len(sample) - 1} articles of the sample are not annotated for it" in notes


def test_half_of_a_sample_or_of_the_pool_is_noticed(sample):
    half = eventtag.estimate(TAGGED, sample[::2], quantities=["EVENT"])
    assert any("check that the tagged articles are those" in note for note in half.notes)
    assert not any("check that the tagged" in note for note in eventtag.estimate(TAGGED, sample, quantities=["EVENT"]).notes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda gold: [replace(article, id=f"x{article.id}") for article in gold], "none of its 240 articles has the id"),
        (lambda gold: [replace(gold[0], meta={}), *gold[1:]], "1 of 240 annotated articles have no sample_probability"),
        (
            lambda gold: [replace(gold[0], meta=gold[0].meta | {"sample_probability": 0}), *gold[1:]],
            "have no sample_probability between 0 and 1",
        ),
        (lambda gold: [], "holds no article"),
    ],
)
def test_a_sample_that_cannot_correct_is_refused(sample, change, message):
    with pytest.raises(DataError, match=message):
        eventtag.estimate(TAGGED, change(sample), quantities=["EVENT"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantities": []}, "quantity: none is given"),
        ({"quantities": ["EVNT"]}, "no label 'EVNT'.*did you mean EVENT"),
        ({"quantities": ["EVENT"], "drawn": "random"}, "drawn: random contradicts"),
        (
            {"quantities": ["EVENT"], "level": 0.2},
            "level: 0.2 is not allowed; give the confidence level of the intervals, from 0.5 to below 1",
        ),
        ({"quantities": ["EVENT"], "family": "logit"}, "family: 'logit' is not allowed; give linear or poisson"),
        ({"quantities": ["EVENT"], "regress": ["time:country"]}, "time: takes year, month, week, day"),
        ({"quantities": ["EVENT"], "by": ["region"]}, "by: there is no metadata field 'region'"),
        ({"quantities": ["EVENT"], "regress": ["region"]}, "regress: there is no metadata field 'region'"),
        ({"quantities": ["EVENT"], "by": ["months"]}, r"by: there is no metadata field 'months'; did you mean month\?"),
        ({"quantities": ["EVENT"], "by": ["label"]}, "no metadata field 'label'; only `eventtag count` makes rows of labels"),
        ({"quantities": ["column:deaths"]}, "quantity: there is no metadata field 'deaths'; found: country, date"),
        ({"quantities": ["EVENT"], "drawn": "random", "record": "x"}, "drawn: random contradicts the record"),
    ],
)
def test_a_wrong_setting_says_what_is_allowed(sample, options, message):
    with pytest.raises(SettingsError, match=message):
        eventtag.estimate(TAGGED, sample, **options)


@pytest.fixture
def tagger(tmp_path, sample):
    """What of a checkpoint says that it learnt from three articles of the sample."""
    folder = tmp_path / "tagger"
    folder.mkdir()
    (folder / "eventtag.json").write_text("{}")
    write_seen(seen_articles(learnt=sample[:3], chose=sample[3:5]), folder)
    write_manifest(folder)
    return folder


def test_articles_that_the_tagger_learnt_from_are_refused_unless_told(sample, tagger):
    with pytest.raises(DataError, match="learnt from 3 of 240 annotated articles"):
        eventtag.estimate(TAGGED, sample, quantities=["EVENT"], checkpoint=tagger)
    without = eventtag.estimate(TAGGED, sample, quantities=["EVENT"], checkpoint=tagger, seen="leave_out")
    assert without.quantities[0].whole.annotated == 237
    included = eventtag.estimate(TAGGED, sample, quantities=["EVENT"], checkpoint=tagger, seen="include")
    assert included.quantities[0].whole.annotated == 240
    assert any("included, though the tagger learnt from them" in note for note in included.notes)
    assert any(
        "2 of 240 annotated articles are ones that chose epoch and thresholds of the tagger" in note for note in included.notes
    )


def test_the_tagger_is_the_one_of_the_job_that_tagged(sample, tagger, tmp_path):
    eventtag.write_articles(TAGGED, tmp_path / "tagged.jsonl")
    job = tmp_path / "tagged.jsonl.job"
    job.mkdir()
    counts = dict.fromkeys(("rows", "articles", "spans", "tokens", "dead_letters"), 0)
    manifest = counts | {"kinds": {}, "outputs": {}, "input": {}, "notes": {"checkpoint": str(tagger)}}
    (job / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="learnt from 3 of 240"):
        eventtag.estimate(tmp_path / "tagged.jsonl", sample, quantities=["EVENT"])


def test_an_unknown_tagger_is_said(sample):
    result = eventtag.estimate(TAGGED, sample, quantities=["EVENT"])
    assert any("not known which articles the tagger learnt from" in note for note in result.notes)


def test_files_are_whole_and_hold_the_same_figures(sample, tmp_path):
    folder = tmp_path / "figures"
    result = eventtag.estimate(TAGGED, sample, ["month"], quantities=["EVENT"], regress=["country"], output=folder)
    with (folder / "estimates.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["estimate"]) for row in rows] == pytest.approx(result.to_pandas()["estimate"].tolist())
    content = json.loads((folder / "estimates.json").read_text())
    assert content["estimates"][0]["estimate"] == pytest.approx(float(rows[0]["estimate"]))
    assert content["regressions"][0]["method"] == "dsl"
    assert {"differences.csv", "regression.csv"} <= {path.name for path in folder.iterdir()}
    page = (folder / "estimates.html").read_text()
    assert "<script" not in page
    assert page.count("<svg") == 1
    assert "2024-03" in page
    with pytest.raises(OutputError, match="exists already"):
        eventtag.estimate(TAGGED, sample, quantities=["EVENT"], output=folder)


def test_names_from_metadata_are_no_formulas_and_no_markup(tmp_path):
    odd = "=1+1<script>"
    tagged = [replace(article, meta=dict(article.meta) | {"country": odd}) for article in TAGGED]
    eventtag.estimate(tagged, CHOSEN, ["country"], quantities=["EVENT"], drawn="random", output=tmp_path / "f")
    assert f",'{odd}," in (tmp_path / "f" / "estimates.csv").read_text()
    assert "<script" not in (tmp_path / "f" / "estimates.html").read_text()


def test_where_the_tagger_hardly_errs_a_regression_has_no_intervals_and_warns_of_nothing(tmp_path):
    right = [replace(article, spans=tuple(replace(span, score=0.9) for span in article.spans)) for article in GOLD]
    options = {"drawn": "random", "regress": ["1"], "output": tmp_path / "f"}
    fit = eventtag.estimate(right, CHOSEN, quantities=["any:EVENT"], **options).quantities[0].regression
    assert fit.note.startswith("the tagger errs in 0 of 200 annotated units")
    with (tmp_path / "f" / "regression.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["low"], row["high"], row["standard_error"], row["p"], row["note"]) == ("", "", "", "", fit.note)


def test_a_coefficient_of_which_nothing_says_how_uncertain_it_is_has_no_interval():
    def certain(articles):
        """Every second article is of a group in which each has an event, and people and tagger find it."""
        return [
            replace(article, meta={"group": "other"})
            if int(article.id[1:]) % 2
            else replace(article, meta={"group": "certain"}, spans=(Span(0, 6, "EVENT"),))
            for article in articles
        ]

    options = {"quantities": ["EVENT"], "drawn": "random", "regress": ["group"]}
    figures = eventtag.estimate(certain(TAGGED), certain(CHOSEN), **options).quantities
    _, ((_, constant, *first), (_, _, *second)) = coefficient_rows(figures, 0.95)
    assert (constant, first[0], first[1:]) == ("(constant)", pytest.approx(1), [None, None, None, None, NOTHING_SAYS])
    assert second[1] < second[0] < second[2]
    assert second[-1] is None


def test_probabilities_that_a_format_loses_come_from_the_record(tmp_path):
    drawn = eventtag.sample(TAGGED, tmp_path / "s", n=240, by=["month"], counts=["EVENT"], output_format="brat")
    assert any(f"--record {drawn.record}" in note for note in drawn.notes)
    gold = annotate(drawn.articles)
    whole = eventtag.estimate(TAGGED, gold, quantities=["EVENT"]).quantities[0].whole
    eventtag.write_articles(gold, tmp_path / "export", "brat")
    lost = eventtag.estimate(TAGGED, tmp_path / "export", quantities=["EVENT"])
    assert lost.quantities[0].whole.corrected.low is None
    assert any("--record SAMPLE.sample.json" in note for note in lost.notes)
    named = eventtag.estimate(TAGGED, tmp_path / "export", quantities=["EVENT"], record=drawn.record)
    assert named.quantities[0].whole.corrected == whole.corrected
    drawn.record.rename(tmp_path / "export.sample.json")
    beside = eventtag.estimate(TAGGED, tmp_path / "export", quantities=["EVENT"])
    assert beside.quantities[0].whole.corrected == whole.corrected
    assert any(f"are taken from {tmp_path / 'export.sample.json'}" in note for note in beside.notes)


def test_a_plan_takes_the_probabilities_of_its_pilot_from_the_record_as_well(tmp_path):
    drawn = eventtag.sample(TAGGED, tmp_path / "s", n=60, counts=["EVENT"], output_format="brat")
    gold = annotate(drawn.articles)

    def planned(source, **options):
        result = eventtag.plan(TAGGED, source, estimates={"EVENT": 0.1}, **options)
        return [(row.articles, row.low, row.high) for row in result.rows], "\n".join(result.notes)

    asked, said = planned(gold)
    assert "times as likely to be drawn as others" in said
    eventtag.write_articles(gold, tmp_path / "export", "brat")
    assert planned(tmp_path / "export")[0] != asked
    assert planned(tmp_path / "export", record=drawn.record)[0] == planned(gold, record=drawn.record)[0]
    _, said = planned([replace(gold[0], meta={}), *gold[1:]])
    assert "1 of the pilot's 60 articles have no sample_probability" in said


def test_the_record_of_another_sample_is_refused(sample, tmp_path):
    other = eventtag.sample(TAGGED, tmp_path / "o.jsonl", n=100, seed=5)
    with pytest.raises(DataError, match="is not in the record of the sample, which has 100"):
        eventtag.estimate(TAGGED, sample, quantities=["EVENT"], record=other.record)
    inside = [replace(one, meta=one.meta | {"sample_probability": 0.5}) for one in annotate(other.articles)]
    with pytest.raises(DataError, match=r"has the sample_probability 0\.5, and the record of the sample says 0\.083"):
        eventtag.estimate(TAGGED, inside, quantities=["EVENT"], record=other.record)


def test_a_sample_that_nobody_has_marked_as_annotated_says_what_to_do(sample):
    open_yet = [replace(article, annotated=(), spans=()) for article in sample]
    with pytest.raises(
        DataError, match="none of its 240 articles is marked as annotated; give the sample as the annotation tool"
    ):
        eventtag.estimate(TAGGED, open_yet, quantities=["EVENT"])
    written = [replace(article, annotated=()) for article in sample]
    marked = sum(bool(article.spans) for article in sample)
    with pytest.raises(DataError, match=rf"marked as annotated, though {marked} have spans: .*delete their field `annotated`"):
        eventtag.estimate(TAGGED, written, quantities=["EVENT"])
    some = eventtag.estimate(TAGGED, [*written[:100], *sample[100:]], quantities=["EVENT"])
    count = sum(bool(article.spans) for article in sample[:100])
    assert any(f"{count} articles have spans, and are left out as not annotated" in note for note in some.notes)
    nothing = eventtag.estimate(TAGGED, [replace(article, spans=()) for article in sample], quantities=["EVENT"])
    assert any("none of the annotated articles has a span" in note for note in nothing.notes)
    assert nothing.quantities[0].whole.corrected.low is None


def test_a_regression_on_the_constant_alone_is_the_mean_of_the_process():
    result = eventtag.estimate(TAGGED, CHOSEN, quantities=["EVENT"], drawn="random", regress=["1"], tuning="ppi")
    fit = result.quantities[0].regression
    assert fit.names == ("(constant)",)
    (low,), (high,) = fit.regression.interval(0.95)
    assert low < TRUTH < high


def test_no_contrast_has_an_interval_where_the_sample_is_not_known_to_be_random():
    figures = eventtag.estimate(TAGGED, CHOSEN, ["month"], quantities=["EVENT"]).quantities[0]
    assert figures.whole.corrected.low is None
    contrasts = [figures.trends[0].contrast, *(change.contrast for change in figures.changes)]
    assert all(contrast.figure.low is contrast.p is None for contrast in contrasts)
    assert {contrast.note for contrast in contrasts} == {"the annotated articles are not known to be a random sample"}


def test_ids_of_other_articles_are_refused_and_single_other_texts_said(sample):
    other = [replace(article, text="Quite another text, which has no event.", spans=()) for article in sample]
    with pytest.raises(DataError, match="have another text than the tagged one with their id, the first is 'a"):
        eventtag.estimate(TAGGED, other, quantities=["EVENT"])
    place = next(place for place, article in enumerate(sample) if len(article.spans) > 2)
    one = [*sample[:place], other[place], *sample[place + 1 :]]
    said = eventtag.estimate(TAGGED, one, quantities=["EVENT"]).notes
    assert any(note.startswith("1 of ") and "another text" in note for note in said)
