"""Captures and findings as strings. Nothing here knows where bytes came from, and nothing prints."""
