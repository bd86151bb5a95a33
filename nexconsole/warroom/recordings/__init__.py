"""Readings kept beside an incident's journal, and read back for replay."""
