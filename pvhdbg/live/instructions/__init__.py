"""Instructions as data and as text.

decode  decode instructions. Only this module imports capstone
"""
