"""Sessions: what commands ask, live or recorded.

protocol    the Session protocol: every question a command may ask
live        a session with a machine: captures, the next stage, refusals
recorded    a session with a recording
resolve     what a command's words mean: a stop, a physical address, a start_info
expression  addresses as users type them: the one parser

Imports boot's other folders, and target.base and target.recording. Start with protocol.
"""
