"""Consoles that work on one incident: who is here, whose target is whose, and the entries between hosts."""
