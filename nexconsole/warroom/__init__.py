"""One incident as its journal has it: the fold, what still stands, and the report. No screen, no network."""
