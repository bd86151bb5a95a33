"""One module per signal; each is a pure read over the sources that returns a frozen value."""
