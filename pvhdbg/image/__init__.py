"""A kernel file on disk: bytes in, facts out."""
