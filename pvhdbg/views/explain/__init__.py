"""`explain`: what a name means, who writes it and who reads it.

lookup            any name -> its topics. Start here
topics            fields, structures, flags, e820 types; the Topic type
machine_topics    registers, CPU state, ELF notes
stage_topics      the stages
rule_topics       the rules
recording_topics  protocols and keys of the JSON
word_topics       the words that the other explanations use
offsets           `hdr+0x10`: a structure and an offset
explain_text      topics as text
"""
