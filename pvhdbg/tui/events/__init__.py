"""How events change the screen.

events  what the machine thread reports. Start here
update  (Screen, event) -> Screen
news    what is new at a stop, in one line
"""
