"""The labs: questions about a real machine, whose answers are checked on a real machine.

lab_file  a lab as its Markdown file describes it. Start here
grading   whether an answer or a boot solves a lab, and why not
progress  what a student has solved, and the lab that was started last
lab_text  a lab, the list of labs and the progress as text
"""
