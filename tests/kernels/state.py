"""Find out whether test kernels are there, and check which a test may use. Another process may still fetch them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NONE, FETCHED, BUILT = "none", "fetched", "built"
ORDER = (NONE, FETCHED, BUILT)
"""No kernels, those from packages, and also the RFC kernel, which is built last."""
MAY_USE = "PVHDBG_TESTS_MAY_USE"
"""The environment variable that `tests.side_by_side` sets to one of ORDER. Without it, tests may use all kernels."""


def are_there(kernels: str, folder: Path | None) -> bool:
    """Return whether the other process has created the file with this name in the folder. Without one, they are."""
    return folder is None or kernels == NONE or (folder / kernels).exists()


def check_may_use(kernels: str) -> None:
    """Check that the tests waited for these kernels. If the kernels came late, tests would be skipped.

    :raise RuntimeError: if they did not wait. It says where to write what the test needs.
    """
    allowed = os.environ.get(MAY_USE, BUILT)
    if ORDER.index(kernels) > ORDER.index(allowed):
        raise RuntimeError(f"a test that may use {allowed} kernels needs {kernels}: see NEEDS in tests/side_by_side.py")
