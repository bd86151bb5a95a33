"""One module per signal, each a `Face`: pure functions from a signal's value to a picture. `pane.Pane` shows them."""
