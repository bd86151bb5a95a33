"""Readings recorded beside an incident's journal in one SQLite file, and played back for replay.

`recorder` writes off the loop, one console a folder (`writer_lock`). `playback` finds what stood on screen at a moment.
"""
