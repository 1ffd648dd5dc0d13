"""Tagging over HTTP: the API, the protocols of annotation tools, the corrections that come back, and training on them."""
