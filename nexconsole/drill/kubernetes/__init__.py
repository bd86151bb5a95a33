"""The drill's Kubernetes: an API for real clients, and the behaviour behind it."""
