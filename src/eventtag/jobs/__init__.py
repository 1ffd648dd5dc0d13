"""Tagging a whole corpus in shards, by workers, to its end, even if rows are bad or processes and machines fail."""
