"""Where commands ask their questions.

live        the Session protocol, and a session with a live machine
recorded    a session with a recording
resolve     what a question is about: a stop, an address, a start_info
expression  addresses as users type them

Start with live.
"""
