"""Figures from tagged articles: samples to annotate, what is counted of an article, a reader that gives it in columns, and counts by cell."""
