"""From an article to what a model reads: words, tokens, windows, and gold spans as tag ids."""
