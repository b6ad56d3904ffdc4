"""The writers and readers of boot data, as dictionaries and lists for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pvhdbg.boot.who.answer import Answer, Code, Writer

Json = dict[str, Any]


def answers(found: Iterable[Answer]) -> list[Json]:
    return [
        {
            "field": answer.path,
            "paddr": answer.paddr,
            "size": answer.size,
            "writers": [_writer(writer) for writer in answer.writers],
            "readers": [
                {**_code(reader.code), "instruction": reader.instruction, "times": reader.times}
                for reader in answer.readers
            ],
        }
        for answer in found
    ]


def _writer(writer: Writer) -> Json:
    return {
        "by": writer.by,
        **_code(writer.code),
        "instruction": writer.instruction,
        "paddr": writer.paddr,
        "size": writer.size,
        "hex": writer.data.hex(),
        "from": writer.origin,
        "confidence": writer.confidence,
    }


def _code(code: Code | None) -> Json:
    if code is None:
        return {"rip": None, "symbol": None, "inlined": [], "source": None}
    return {"rip": code.rip, "symbol": code.symbol, "inlined": list(code.inlined), "source": code.source}
