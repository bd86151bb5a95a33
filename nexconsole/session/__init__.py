"""What front ends share, without a widget. `session.Session` is where to begin; importing this imports nothing."""
