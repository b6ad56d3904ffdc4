"""The commands for people who learn or teach how a machine boots.

guest  `pvhdbg guest new`
tour   `pvhdbg tour`
lab    `pvhdbg lab`
lab_boots  the boots of a lab: live, or handed in as recordings
hand_ins  `pvhdbg lab grade`: what students hand in
handout  `pvhdbg handout`
trace  `pvhdbg trace`
boots  the boots that the tour is about, live or recorded
"""
