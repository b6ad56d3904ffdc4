"""Segments: what a segment register and an entry of a descriptor table hold.

descriptor  the fields of a segment descriptor, and its decoding. Start here
table       a descriptor table: its entries, and which one a selector names
"""
