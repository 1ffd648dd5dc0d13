"""Corpora: reading, checking, splitting, describing and storing articles."""
