"""The trace of the teaching guest that comes with pvhdbg."""

from __future__ import annotations

import gzip
import json
from functools import cache
from typing import TYPE_CHECKING

from pvhdbg import guest
from pvhdbg.boot.record.replay import replay

if TYPE_CHECKING:
    from pvhdbg.boot.record.document import Document


@cache
def shipped() -> Document:
    return replay(json.loads(gzip.decompress(guest.TRACE.read_bytes())))
