"""A stopped machine: what can be asked of it, live or recorded."""
