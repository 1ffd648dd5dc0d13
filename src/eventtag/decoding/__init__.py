"""From emissions to spans: the best legal tag sequence, and how probable each of its spans is."""
