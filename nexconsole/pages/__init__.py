"""The pages that Enter opens: a module for each kind of subject, pure functions from what is known to sections."""
