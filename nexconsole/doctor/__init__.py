"""`nexconsole doctor`: checks every connection and permission. Nothing is changed.

`examination` runs all checks. Each system is a module with `examine(sources, settings)`, which yields checks.
"""
