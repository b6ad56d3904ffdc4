"""bzImages and compressed files: each compression, damaged, cut, with false sizes, nested, and bombs."""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st

from pvhdbg.image.bzimage import compression, find_payload, unpack, unpack_file
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
def _packed(name: str, content: str) -> bytes:
    return PACKERS[name](CONTENTS[content])


def _payload(value: Input | bytes) -> bytes:
    if isinstance(value, bytes):
        return value
    name, content, damage, left = value[:4]
    payload = changed(_packed(name, content), damage, 24)
    return payload[: len(payload) * left >> 8]


def file(value: Input | bytes) -> bytes:
    payload = _payload(value)
    if isinstance(value, bytes):
        return builder.bzimage(payload, len(VMLINUX))
    content, unpacked, length, version, sectors = value[1], *value[4:]
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
    _check_file(_payload(value))
    return result


def _check_file(payload: bytes) -> None:
    """Unpack the payload as a file of its own, which has no setup header and no size."""
    path, target = FOLDER / "packed", FOLDER / "vmlinux"
    path.write_bytes(payload)
    if compression(payload) is None:
        return
    target.unlink(missing_ok=True)
    result = outcome(lambda: unpack_file(str(path), FOLDER))

    assert (result == "read") == target.exists()
    assert not target.exists() or target.read_bytes().startswith(b"\x7fELF")


TARGET = Target("bzimage", inputs(), check, frozenset({"read", "refused"}))
