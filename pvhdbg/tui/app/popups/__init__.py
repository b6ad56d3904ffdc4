"""The actions of keys in popups, as pure functions.

searched  the list of keys, and the palette
panel     an explanation whose words are links
chain     the last chain of `who`
"""
