"""Text that people read: the only place that formats a duration, a percentage, a count or a time."""
