"""Faster forms of a checkpoint, each checked on the validation articles before it may be used."""
