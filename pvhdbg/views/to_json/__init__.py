"""The JSON documents, for scripts and as recordings.

document_json  a run: `dump`, `check` and recordings
inspect_json   `inspect --format json`
"""
