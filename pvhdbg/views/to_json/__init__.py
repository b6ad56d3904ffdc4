"""The JSON documents, for scripts and as recordings.

document_json  the document of a run, for `dump`, `check` and recordings
runs_json      several runs
who_json       who wrote and who reads boot data
bisect_json    which differences between two handovers kill a kernel
inspect_json   `inspect --format json`
"""
