import eventtag


def test_the_public_names_are_these_and_all_resolve():
    assert sorted(eventtag.__all__) == [
        "Article", "DatasetTagger", "EventtagError", "LabelSet", "LossLedger", "Span", "Tagger", "__version__", "evaluate",
        "read_articles", "read_inputs", "read_rows", "write_articles", "write_predictions",
    ]  # fmt: skip
    assert all(getattr(eventtag, name) is not None for name in eventtag.__all__)
