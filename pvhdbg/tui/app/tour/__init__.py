"""The tour on the screen.

place  go to what a card is about: its stage, view, row or address
card_letters  letters typed on the card: commands for the prompt, and keys
guide  the keys of the tour: which card comes next, and what the machine does for it
"""
