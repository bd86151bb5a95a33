"""The drill's Prometheus: its HTTP API over the market's samples, and the real one where it is installed."""
