"""The shortest way from alarm to calm in each drill, by keys: `python -m tests.walks`."""
