"""Every recording decoded and checked again, and written back: `python -m tests.recordings.again`."""

from pathlib import Path

from pvhdbg.boot.replay import load
from pvhdbg.views import to_json

if __name__ == "__main__":
    for path in sorted(Path(__file__).parent.glob("*.json")):
        path.write_text(to_json.dumps(load(path)), encoding="utf-8")
