"""How fast the console is, against a plain Textual app in the same run: `python -m tests.benchmarks`."""
