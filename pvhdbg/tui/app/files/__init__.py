"""The files that the screen writes.

settings  what the screen remembers between sessions
saved     the screen as text or as SVG
"""
