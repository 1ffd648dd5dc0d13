"""How rows are cut into shards."""

from hypothesis import given
from hypothesis import strategies as st

from eventtag.article import Article
from eventtag.jobs.reading.rows import InputRow, Place
from eventtag.jobs.shards import cut_shards, row_bytes


def test_a_shard_is_bounded_by_all_that_its_rows_hold():
    place, big = Place("x"), 1_000_000
    rows = [
        InputRow(place, None, "bad", b"x" * big),
        InputRow(place, Article("a", "x" * big)),
        InputRow(place, Article("b", "x", meta={"k": ["x" * big]})),
        InputRow(place, Article("c", "x", meta={"k": [[]] * (big // 64)})),
        InputRow(place, Article("d" * big, "x")),
        InputRow(place, Article("e", "x", meta={"x" * big: 1})),
    ]
    shards = list(cut_shards(rows * 20, max_rows=128, max_bytes=big // 2))
    assert sum(len(shard.rows) for shard in shards) == 120
    assert max(sum(map(row_bytes, shard.rows)) for shard in shards) < 3 * big
    assert max(len(row.raw or b"") for shard in shards for row in shard.rows) == 1024
    assert len(list(cut_shards([rows[0]] * 160, max_rows=128, max_bytes=big))) == 2


@given(
    sizes=st.lists(st.integers(0, 30), max_size=40),
    max_rows=st.integers(1, 10),
    max_bytes=st.integers(1, 3000),
    bad=st.sets(st.integers(0, 39)),
)
def test_shards_are_cut_by_the_rows_alone_and_lose_none(sizes, max_rows, max_bytes, bad):
    place = Place("x")
    rows = [
        InputRow(place, None, "bad") if n in bad else InputRow(place, Article(f"a{n}", "x" * size))
        for n, size in enumerate(sizes)
    ]
    shards = list(cut_shards(iter(rows), max_rows=max_rows, max_bytes=max_bytes))
    assert [row for shard in shards for row in shard.rows] == rows
    assert [shard.first_row for shard in shards] == [sum(len(s.rows) for s in shards[:i]) for i in range(len(shards))]
    for shard in shards:
        assert 1 <= len(shard.rows) <= max_rows
        assert sum(map(row_bytes, shard.rows[:-1])) < max_bytes
    if shards:  # the rows that follow do not change where the earlier ones are cut
        again = list(cut_shards(iter(rows[: shards[-1].first_row]), max_rows=max_rows, max_bytes=max_bytes))
        assert again == shards[:-1]
