"""Event records: one row an event, with who did it, to whom, where, when, and whether it happened."""
