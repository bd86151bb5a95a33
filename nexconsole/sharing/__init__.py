"""Several consoles on one incident: presence, leases, and journal entries between hosts."""
