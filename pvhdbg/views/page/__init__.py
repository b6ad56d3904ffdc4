"""HTML pages that need no other file, no network and no scripts.

shell     the frame of a page: its head, style, script and security policy
look      the style of pages: light, dark and printed
picture   a page with one picture, and the same as text

Start with shell.
"""
