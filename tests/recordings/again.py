"""Decode and check every recording again, and write it back, with its text: `python -m tests.recordings.again`."""

from pathlib import Path

from pvhdbg.boot.record.replay import load
from pvhdbg.views.report import run_text
from pvhdbg.views.to_json import document_json
from tests.recordings.answers import FILE, answers

if __name__ == "__main__":
    for path in sorted(Path(__file__).parent.glob("*.json")):
        document = load(path)
        path.write_text(document_json.dumps(document), encoding="utf-8")
        path.with_suffix(".txt").write_text(run_text.document(document), encoding="utf-8")
    FILE.write_text(answers(), encoding="utf-8")
