"""`explain`: what a name means, which programs write and read it, and the source.

lookup            any name -> its topics. Start here
topics            fields, structures, flags, e820 types; the types Explanation and Topic
machine_topics    registers, CPU bits, CPU modes, ELF notes, and values that pvhdbg derives
stage_topics      the stages
rule_topics       the rules
recording_topics  protocols, and the JSON keys of a recording
term_topics       terms that the other explanations use
glossary          the text of these terms
offsets           `hdr+0x10`: a structure and an offset
explain_text      topics as text
"""
