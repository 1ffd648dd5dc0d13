"""Masked-language modelling on articles that nobody annotated, before a run."""
