"""The scoreboard of the causes: every drill staged with several seeds, and what the console makes of it."""
