"""A teaching guest that differs only in its build-id, as if it were another build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg import guest
from pvhdbg.image.facts import read_facts

if TYPE_CHECKING:
    from pathlib import Path


def teaching_guest(path: Path) -> Path:
    """Write the guest's ELF file to `path`, and return `path`."""
    build_id = bytes.fromhex(read_facts(str(guest.ELF)).build_id or "")
    content = guest.ELF.read_bytes()
    assert 1 == content.count(build_id)
    path.write_bytes(content.replace(build_id, build_id[::-1]))
    return path
