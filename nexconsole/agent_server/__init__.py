"""A door for agents: what the console knows, masked and marked, and proposals that a person confirms."""
