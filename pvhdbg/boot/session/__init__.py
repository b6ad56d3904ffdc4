"""Sessions: what commands query, a live machine or a recording.

protocol    the Session protocol: everything that a command may query
live        a session with a live machine
recorded    a session with a recording
traced      who wrote bytes, according to a trace
resolve     resolve a command's arguments: a stage, a physical address, a start_info
expression  parse addresses as users type them

Besides abi and errors, imports the other folders of boot, image, target.base and target.recording. Start with protocol.
"""
