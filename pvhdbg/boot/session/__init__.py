"""Sessions: what commands query, a live machine or a recording.

protocol    the Session protocol: everything that a command may query
live        a session with a live machine
recorded    a session with a recording
resolve     resolve a command's arguments: a stage, a physical address, a start_info
expression  parse addresses as users type them

Imports the other folders of boot, target.base and target.recording. Start with protocol.
"""
