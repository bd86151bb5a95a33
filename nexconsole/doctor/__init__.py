"""`nexconsole doctor`: every connection and permission that the console needs, tried; nothing is changed.

`examination` tries them all; each system is a module with `examine(sources, settings)`, which yields checks.
"""
