"""The break-glass sheet: last known values and shell commands, as plain text on disk."""
