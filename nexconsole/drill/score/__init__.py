"""How a rehearsal went: the score that a drill prints at its end."""
