"""The popups, drawn over the screen.

box      lay a popup over the lines of the screen. Start here
kinds    the kinds of popups
listing  the list of keys
palette  everything that has a name: views, keys, commands and explanations
panel    an explanation whose words are links
"""
