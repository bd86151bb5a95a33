"""The emergency commands: the only code that changes anything outside the journal."""
