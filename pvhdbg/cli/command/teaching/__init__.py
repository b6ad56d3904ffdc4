"""The commands for people who learn or teach how a machine boots.

guest  `pvhdbg guest new`
tour   `pvhdbg tour`
boots  the boots that the tour is about, live or recorded
"""
