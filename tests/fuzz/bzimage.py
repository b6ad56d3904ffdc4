"""bzImages: each compression, damaged, cut, with false sizes, nested, and bombs."""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st

from pvhdbg.image.bzimage import find_payload, unpack
from tests.fuzz.elf import FOLDER, outcome
from tests.fuzz.numbers import Change, changed, changes, numbers
from tests.fuzz.target import Target
from tests.image import builder
from tests.image.crafted import BUILD_ID
from tests.image.packers import LZ4_MAGIC, PACKERS, lz4_part

VMLINUX = builder.elf([builder.load(builder.CODE * 40), builder.notes(BUILD_ID, builder.note())])
CONTENTS = {
    "kernel": VMLINUX,
    "bomb": VMLINUX.ljust(2 << 20, b"\0"),
    "bzImage": builder.bzimage(b"\x1f\x8b", 2),
    "text": b"not a kernel",
    "empty": b"",
}
LZ4_PARTS = (lz4_part(VMLINUX), lz4_part(VMLINUX[:1000]), lz4_part(b""), b"\0\0\0\0", b"\xff\xff\xff\xff", LZ4_MAGIC)

Input = tuple[str, str, list[Change], int, int | None, int | None, int, int]
"""Compression, content, changes to the payload, how much of it is left (of 256), false sizes (unpacked, payload), boot
protocol, sectors.
"""


def inputs() -> st.SearchStrategy[Input | bytes]:
    sizes = st.sampled_from([None] * 9 + [0, 1, 0xFFFFFFFF]) | numbers(32)
    packed = st.tuples(
        st.sampled_from(sorted(PACKERS)),
        st.sampled_from(["kernel"] * 6 + sorted(CONTENTS)),
        st.just([]) | changes(3),
        st.sampled_from([256] * 30 + [255, 128, 3]),
        sizes,
        sizes,
        st.sampled_from([0x20F] * 30 + [0x208, 0x207, 0xFFFF]),
        st.sampled_from([4] * 30 + [0, 1, 255]),
    )
    lz4 = st.lists(st.sampled_from(LZ4_PARTS), max_size=5).map(lambda parts: LZ4_MAGIC + b"".join(parts))
    return packed | lz4


@cache
def _packed(compression: str, content: str) -> bytes:
    return PACKERS[compression](CONTENTS[content])


def file(value: Input | bytes) -> bytes:
    if isinstance(value, bytes):
        return builder.bzimage(value, len(VMLINUX))
    compression, content, damage, left, unpacked, length, version, sectors = value
    payload = changed(_packed(compression, content), damage, 24)
    payload = payload[: len(payload) * left >> 8]
    size = len(CONTENTS[content]) if unpacked is None else unpacked
    data = bytearray(builder.bzimage(payload, size, version=version, length=length))
    data[0x1F1] = sectors
    return bytes(data)


def _stated(value: Input) -> int:
    """Return the size that the payload's last word states."""
    data = file(value)
    payload = find_payload(data, "vmlinuz")
    return payload.unpacked


def check(value: Input | bytes) -> str:
    path = FOLDER / "vmlinuz"
    path.write_bytes(file(value))
    (FOLDER / "vmlinux").unlink(missing_ok=True)
    result = outcome(lambda: unpack(str(path), FOLDER))
    target = FOLDER / "vmlinux"
    if result == "refused":
        assert not target.exists()
    else:
        data = target.read_bytes()
        assert data.startswith(b"\x7fELF")
        assert len(data) == (len(VMLINUX) if isinstance(value, bytes) else _stated(value))
    return result


TARGET = Target("bzimage", inputs(), check, frozenset({"read", "refused"}))
