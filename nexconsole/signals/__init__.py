"""One module per signal; each is a pure read over the sources that returns a frozen value. `registry` lists them.

Nothing is imported here: the panes need single modules only, and the first paint waits for what they import.
"""
