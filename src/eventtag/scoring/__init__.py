"""Counts, matching schemes, reports, intervals and tests on gold and predicted spans; numpy and scipy only."""
