"""The JSON documents, for scripts and as recordings.

document_json  the document of a run, for `dump`, `check` and recordings
inspect_json   `inspect --format json`
"""
