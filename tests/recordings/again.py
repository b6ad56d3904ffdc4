"""Decode and check every recording again, and write it back: `python -m tests.recordings.again`."""

from pathlib import Path

from pvhdbg.boot.record.replay import load
from pvhdbg.views.to_json import document_json

if __name__ == "__main__":
    for path in sorted(Path(__file__).parent.glob("*.json")):
        path.write_text(document_json.dumps(load(path)), encoding="utf-8")
