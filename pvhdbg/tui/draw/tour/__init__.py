"""The tour's card, which is a pane.

card  the lines of the card, and its title
room  how much room the card gets
"""
