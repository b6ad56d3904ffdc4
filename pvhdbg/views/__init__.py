"""Captures and findings as text and JSON. Nothing here reads guest memory or prints.

pictures/   pictures as SVG and as text
page/       HTML pages
rows/       the rows of each view
inspection  what `pvhdbg inspect` found out about a kernel file
explain/    what `pvhdbg explain` prints: topics, and their lookup by name
to_json/    the JSON documents
report/     stops, runs, findings, inspect and diff as text

page imports all others; report imports explain, inspection and rows; explain and pictures import rows; to_json imports
inspection. Start with rows/row.
"""
