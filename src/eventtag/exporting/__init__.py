"""From a checkpoint to faster forms of it, each judged on the validation articles before it may be used."""
