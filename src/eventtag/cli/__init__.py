"""The command line: the only room that knows Hydra, OmegaConf and rich."""
