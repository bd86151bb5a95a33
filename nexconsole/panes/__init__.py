"""One view module per signal: pure functions from a signal's value to a panel. `pane.Pane` shows them."""
