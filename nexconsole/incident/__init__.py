"""An incident: a pure fold over its journal, and what is derived from it."""
