"""What the tour and the labs have in common: text that teaches, in Markdown files with a front matter.

front_matter   reads such a file, and reports errors with file and line
markdown       paragraphs, lists and code of such text
values         expressions about a boot: facts to check, and values in the text
defined_boots  the boots that a front matter defines
tour           the tour: chapters and their cards
lab            the labs: questions, and whether an answer or a boot is right
exercises      the labs that come with pvhdbg
chapters       the chapters that come with pvhdbg

pvhdbg.state_files stores what a student did. Start with front_matter.
"""
