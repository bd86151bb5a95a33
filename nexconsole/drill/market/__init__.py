"""The small NexNum that lives in a drill: customers, providers, pods, worker."""
