"""How events change the screen.

events  what the machine thread reports. Start here
update  (Screen, event) -> Screen
steps   moves in a trace
news    what is new at a stop, in one line
"""
