"""What to annotate next: units of a pool, strategies, and the tasks that are written."""
