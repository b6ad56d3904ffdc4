"""The paths of the checkout and of its recordings."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
RECORDINGS_DIR = ROOT / "tests" / "recordings"
RECORDINGS = sorted(RECORDINGS_DIR.glob("*.json"))
"""The folder with recordings of real boots."""
OLD_RECORDINGS = sorted((RECORDINGS_DIR / "version-1").glob("*.json"))
