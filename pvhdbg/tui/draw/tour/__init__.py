"""The tour's card, which is a pane.

card  the lines of the card, its title, and the room that it needs
"""
