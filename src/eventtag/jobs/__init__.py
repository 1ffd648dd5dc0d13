"""Tagging a whole corpus: in shards, by workers, to the end, whatever a row, a process or a machine does on the way."""
