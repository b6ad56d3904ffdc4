"""Where the checkout and its recordings are."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
RECORDINGS_DIR = ROOT / "tests" / "recordings"
RECORDINGS = sorted(RECORDINGS_DIR.glob("*.json"))
"""Recordings of real boots."""
