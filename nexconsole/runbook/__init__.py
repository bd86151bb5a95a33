"""The runbook: Markdown -> scenarios, held against readings. It knows actions by name only, and changes nothing."""
