"""The one notion of word and of sentence."""
