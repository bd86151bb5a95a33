"""The runbook: parses Markdown to scenarios and evaluates them on readings. It knows actions by name only."""
