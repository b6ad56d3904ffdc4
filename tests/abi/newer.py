"""Fields that are newer than the oldest kernel of the tests: there, their bytes belong to the padding before them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tests.abi.dwarf import Member

NEWER = {"cc_blob_address": 4}
"""Their sizes. cc_blob_address is a field since Linux 5.19."""


def members_as_in(names: Collection[str], members: Sequence[Member]) -> list[Member]:
    """Return the members of a structure as a kernel has them that only knows `names`."""
    result: list[Member] = []
    for member in members:
        if member.name in NEWER and member.name not in names:
            size = result[-1].size + member.size
            result[-1] = result[-1]._replace(size=size, ctype=f"u8[{size}]")
        else:
            result.append(member)
    return result


def values_as_in(names: Collection[str], values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a structure's fields as a kernel has them that only knows `names`."""
    result: dict[str, Any] = {}
    for name, value in values.items():
        if name in NEWER and name not in names:
            result[next(reversed(result))] += value.to_bytes(NEWER[name], "little").hex()
        else:
            result[name] = value
    return result
