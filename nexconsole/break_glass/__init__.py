"""The sheet for the worst hour: last known values, and the literal commands, as plain text on disk."""
