"""Instructions as data and as text.

decode         decode instructions. Only this module imports capstone
guest_changes  what was changed in a copy of the teaching guest
"""
