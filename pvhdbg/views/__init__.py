"""Turn captures and findings into text and JSON. Nothing here reads guest memory, and nothing prints.

rows/       what a view shows, row by row
inspection  what `inspect` learned about a file
explain/    `explain`: topics, and the lookup by name
to_json/    the JSON documents
report/     stops, runs, findings, inspect and diff as text

report imports explain and to_json; all import rows. Start with rows/row.
"""
