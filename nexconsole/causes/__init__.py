"""What it is: the causes that the runbook knows, held against the readings, and ranked."""
