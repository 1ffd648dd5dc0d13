"""Articles as Hypothesis strategies: texts as hostile as real ones, spans anywhere in them."""

from hypothesis import strategies as st

from eventtag.article import Article
from eventtag.link import ROLES, Link
from eventtag.span import STATUSES, Span

PIECES = [
    "Moscow", "Kyiv", "a", "U.S.", "3.5", "don’t", "x-ray", " ", "  ", "\n", "\r\n", "\t",
    ",", ".", "“", "—", "[", "]", "|", "\\", "<", "&", '"', "#",
    "_", "*", "-DOCSTART-", "\u00a0", "\u200b", "\u200d", "\u2028", "\ufeff", "e\u0301",
    "\u0301", "👩‍🚀", "🇺🇦", "𝒳", "שלום", "العربية", "\u202e", "東京", "\x85",
]  # fmt: skip
LABELS = ["ACTOR", "EVENT", "LOCATION"]
ODD_LABELS = ["B-X", "O", "x y", "a|b", "Län:ß", "A=B", "[1]", "_", "*", "->", "\\", "1st", "<b>"]

texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=3).filter(lambda s: s.isprintable()), max_size=14).map("".join)
ids = (
    st.text(st.sampled_from("abcXYZ019-_. é"), min_size=1, max_size=8)
    .map(str.strip)
    .filter(lambda s: s and not s.startswith("."))
)


@st.composite
def articles(
    draw, *, flat: bool = False, regions: bool = True, text=texts, meta: bool = True, labels=LABELS, links: bool = False
) -> Article:
    body = draw(text)
    size = len(body)
    spans: set[Span] = set()
    if size:
        for _ in range(draw(st.integers(0, 4))):
            start = draw(st.integers(0, size - 1))
            span = Span(start, draw(st.integers(start + 1, min(size, start + 9))), draw(st.sampled_from(labels)))
            if not flat or not any(span.overlaps(other) for other in spans):
                spans.add(span)
    rejected: set[Span] = set()
    if size and regions and draw(st.booleans()):
        start = draw(st.integers(0, size - 1))
        rejected = {Span(start, draw(st.integers(start + 1, size)), draw(st.sampled_from(labels)))} - spans
    joined = None
    if links:
        spans = {Span(s.start, s.end, s.label, status=draw(st.sampled_from([None, *STATUSES]))) for s in sorted(spans)}
        if draw(st.booleans()):
            ends = st.sampled_from(sorted(spans)) if spans else st.nothing()
            joined = tuple(draw(st.lists(st.builds(Link, ends, ends, st.sampled_from([*ROLES, "WITNESS"])), max_size=4)))
    annotated = None
    if regions and draw(st.booleans()):
        edges = sorted(draw(st.sets(st.integers(0, size), max_size=4)))
        annotated = tuple(zip(edges[::2], edges[1::2], strict=False))
    return Article(
        id=draw(ids),
        text=body,
        spans=tuple(spans),
        annotated=annotated,
        labels=tuple(labels) if regions and draw(st.booleans()) else None,
        meta=draw(st.dictionaries(st.sampled_from(["topic", "date"]), st.sampled_from(["1", "x y", "é"]), max_size=2))
        if meta
        else {},
        rejected=tuple(rejected),
        links=joined,
    )


def corpora(**options):
    """A few articles with ids that differ, also where case does not count."""
    return st.lists(articles(**options), min_size=1, max_size=3, unique_by=lambda article: article.id.casefold())
