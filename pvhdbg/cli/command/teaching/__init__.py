"""The commands for people who learn or teach how a machine boots.

guest  `pvhdbg guest new`
"""
