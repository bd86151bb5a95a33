"""The scenarios that are drawn from a seed, a module per group: each function makes one from its own generator."""
