"""Several people on one incident: the fold over its journal, the report, and what consoles share of it."""
