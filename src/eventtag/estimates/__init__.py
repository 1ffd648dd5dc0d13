"""Figures from tagged articles: samples to annotate, what is counted of an article, reading in columns, and counts by cell."""
