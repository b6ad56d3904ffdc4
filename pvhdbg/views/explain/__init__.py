"""`explain`: what a name means, which programs write and read it, and the source.

lookup            find the topics of a name. Start here
topic             the types of explanations, topics and terms
topics            fields, structures, flags, e820 types
machine_topics    registers, CPU bits, CPU modes, ELF notes, and values that pvhdbg derives
instructions      the instructions that boot code uses
stage_topics      the stages
guest_topics      the guests: their stages, and what each reads and demands
rule_topics       the rules
recording_topics  protocols, and the JSON keys of a recording
vmm_topics        the VMMs of `--vmm`
term_topics       the terms of the glossary
glossary          the texts about terms that the other explanations use; cpu_terms is a part of it
names             (a text file) the names in each group of topics; `make manual` writes it
offsets           a structure and an offset, such as `hdr+0x10`
explain_text      explanations as text
"""
