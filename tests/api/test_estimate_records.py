"""`estimate` and `sample` of event records: people's numbers are whole or unknown, the tagger's are what it found."""

import random
from dataclasses import replace

import pytest

import eventtag
from eventtag.article import Article
from eventtag.errors import DataError, SettingsError
from eventtag.link import Link
from eventtag.span import Span

WANTED = "records:status=asserted AGENT~police"


def news(count=400):
    """Articles as a tagger and as people see them. The tagger takes more than half of what is only possible for asserted."""
    random_numbers = random.Random(4)
    tagged, gold = [], []
    for number in range(count):
        text, spans, links = f"Report {number}.", [], []
        for part in range(random_numbers.randrange(4)):
            agent = random_numbers.choice(["Police", "Miners"])
            start = len(text) + 1
            text += f" {agent} strike{number}x{part}."
            actor = Span(start, start + len(agent), "ACTOR")
            event = Span(actor.end + 1, len(text) - 1, "EVENT", None, random_numbers.choice(["asserted", "asserted", "possible"]))
            spans += [actor, event]
            links.append(Link(event, actor, "AGENT"))
        meta = {"desk": "ab"[number % 2]}
        gold.append(Article(f"n{number}", text, tuple(spans), meta=meta, links=tuple(links)))
        seen = {
            span: replace(span, score=0.8, status=span.status and ("asserted" if random_numbers.random() < 0.6 else span.status))
            for span in spans
        }
        found = tuple(Link(seen[link.event], seen[link.participant], "AGENT", 0.7) for link in links)
        tagged.append(Article(f"n{number}", text, tuple(seen.values()), meta=meta, links=found))
    return tagged, gold


TAGGED, GOLD = news()
SAMPLE = random.Random(1).sample(GOLD, 120)


def plain_number(article):
    agents = {link.event: article.mention(link.participant) for link in article.links}
    return sum(span.status == "asserted" and agents[span] == "Police" for span in article.spans if span.label == "EVENT")


def mean(articles):
    return sum(map(plain_number, articles)) / len(articles)


def figures_of(gold, **options):
    result = eventtag.estimate(TAGGED, gold, quantities=[WANTED], drawn="random", **options)
    return result.quantities[0].whole, " ".join(result.notes)


def test_the_corrected_figure_holds_the_truth_and_the_naive_one_is_the_taggers():
    whole, _ = figures_of(SAMPLE)
    assert whole.naive.value == pytest.approx(mean(TAGGED))
    assert whole.gold.value == pytest.approx(mean(SAMPLE))
    assert whole.naive.low > mean(GOLD)
    assert whole.corrected.low <= mean(GOLD) <= whole.corrected.high
    assert whole.corrected.half_width < whole.gold.half_width


def test_each_cell_is_estimated():
    frame = eventtag.estimate(TAGGED, SAMPLE, ["desk"], quantities=[WANTED, f"any:{WANTED}"], drawn="random").to_pandas()
    assert frame.quantity.unique().tolist() == [WANTED, f"any:{WANTED}"]
    for desk in "ab":
        expected = mean([article for article in TAGGED if article.meta["desk"] == desk])
        assert frame[(frame.quantity == WANTED) & (frame.desk == desk)].naive.item() == pytest.approx(expected)


def test_articles_in_which_links_were_not_marked_are_left_out_with_or_without_events():
    unmarked = [replace(article, links=None) if number < 30 else article for number, article in enumerate(SAMPLE)]
    assert any(not article.spans for article in unmarked[:30])
    whole, said = figures_of(unmarked)
    assert whole.gold.value == pytest.approx(mean(SAMPLE[30:]))
    assert "do not say that links were being marked: 30, left out" in said


def test_links_marked_says_that_an_article_without_links_has_none():
    unsaid = [article if article.links else replace(article, links=None) for article in SAMPLE]
    assert any(article.links is None for article in unsaid)
    whole, said = figures_of(unsaid, links_marked=True)
    assert whole.gold.value == pytest.approx(mean(SAMPLE))
    assert "left out" not in said


def test_links_are_needed_only_by_conditions_on_participants():
    unmarked = [replace(article, links=None) for article in SAMPLE]
    result = eventtag.estimate(TAGGED, unmarked, quantities=["records:status=asserted"], drawn="random")
    assert result.quantities[0].whole.corrected.low is not None
    with pytest.raises(DataError, match="links were being marked"):
        figures_of(unmarked)


def test_an_event_without_a_status_leaves_its_article_out_unless_the_matter_is_settled():
    def unmarked(article):
        spans = tuple(replace(span, status=None) for span in article.spans)
        by_old = dict(zip(article.spans, spans, strict=True))
        links = tuple(Link(by_old[link.event], by_old[link.participant], link.role) for link in article.links)
        return replace(article, spans=spans, links=links)

    by_police = [article for article in SAMPLE if any(article.mention(link.participant) == "Police" for link in article.links)]
    lost, settled = by_police[0], next(article for article in SAMPLE if article.spans and article not in by_police)
    changed = [unmarked(article) if article in (lost, settled) else article for article in SAMPLE]
    whole, said = figures_of(changed)
    assert whole.gold.value == pytest.approx(mean([article for article in SAMPLE if article is not lost]))
    assert "an event of which status is unknown: 1, left out" in said
    assert "too low" in said


def test_a_tagger_without_links_needs_the_naive_rule():
    bare = [replace(article, links=None) for article in TAGGED]
    with pytest.raises(DataError, match="--linking nearest"):
        eventtag.estimate(bare, SAMPLE, quantities=[WANTED], drawn="random")
    result = eventtag.estimate(bare, SAMPLE, quantities=[WANTED], drawn="random", linking="nearest")
    assert result.quantities[0].whole.corrected.low <= mean(GOLD) <= result.quantities[0].whole.corrected.high
    assert any("naive rule" in note for note in result.notes)


def test_a_pilot_says_how_many_articles_it_takes():
    ids = {article.id for article in SAMPLE}
    found = eventtag.plan([article for article in TAGGED if article.id in ids], SAMPLE, estimates={WANTED: 0.1})
    assert found.rows[0].value == pytest.approx(mean(SAMPLE))
    assert found.rows[0].articles is not None


def test_articles_with_more_predicted_records_are_likelier_to_be_drawn(tmp_path):
    drawn = eventtag.sample(TAGGED, tmp_path / "s.jsonl", n=60, counts=[WANTED], look_for_duplicates=False)
    shares = {article.id: article.meta["sample_probability"] for article in drawn.articles}
    numbers = {article.id: plain_number(article) for article in TAGGED}
    by_number = {numbers[name]: share for name, share in shares.items()}
    assert len(by_number) > 1
    assert [share for _, share in sorted(by_number.items())] == sorted(set(by_number.values()))
    assert all(by_number[numbers[name]] == pytest.approx(share) for name, share in shares.items())
    more = eventtag.sample(TAGGED, tmp_path / "more.jsonl", n=20, extend=tmp_path / "s.jsonl")
    assert shares.keys() < {article.id for article in more.articles}
    with pytest.raises(SettingsError, match="counts: there is no status 'asertet'"):
        eventtag.sample(TAGGED, tmp_path / "t.jsonl", n=60, counts=["records:status=asertet"])
