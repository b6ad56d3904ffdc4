"""The JSON documents of the contract.

document_json  a run: `dump`, `check` and recordings
inspect_json   `inspect --format json`
"""
