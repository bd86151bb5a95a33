"""The picture at the head of the README: a drill from alarm to calm, made by `python -m tests.animation`."""
