"""How C layouts are written as tables: Struct, Field, u8…u64, OpenEnum, Bits.

A table that contradicts itself (overlap, gap, wrong size) fails to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, overload

from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")
S = TypeVar("S", bound="Struct")


class Name(NamedTuple):
    """One value of an OpenEnum or one bit of Bits."""

    name: str
    meaning: str = ""


class OpenEnum:
    """Names for known values of an integer; the guest can set any other value."""

    def __init__(self, names: dict[int, Name]) -> None:
        self.names = names

    def name(self, value: int) -> str:
        """Return the value's name, or `unknown`."""
        known = self.names.get(value)
        return known.name if known else "unknown"

    def label(self, value: int) -> str:
        """Return the value's name, or `unknown (VALUE)`."""
        return self.names[value].name if value in self.names else f"unknown ({value})"

    def text(self, value: int) -> str:
        """Return the value's name and meaning, or `unknown (VALUE)`."""
        known = self.names.get(value)
        return f"{known.name}: {known.meaning}" if known and known.meaning else self.label(value)


class Bits:
    """Names for the bits (or groups of bits) of an integer."""

    def __init__(self, names: dict[int, Name]) -> None:
        self.names = names

    def text(self, value: int) -> str:
        """Return the names of the set bits, and the other set bits as a number; an empty string if no bit is set."""
        known = [(mask, bit.name) for mask, bit in self.names.items() if value & mask == mask]
        unnamed = value
        for mask, _ in known:
            unnamed &= ~mask
        return " | ".join([name for _, name in known] + ([f"{unnamed:#x}"] if unnamed else []))


def dec(value: int) -> str:
    return str(value)


def hex(value: int) -> str:  # noqa: A001  so that a table reads like the C specification
    return f"{value:#x}"


class Field(Generic[T]):
    """A row of a structure's table: accessed on the class, it is the row itself; on a record, it is the field's value.

    `offset` and `size` are in bytes, `ctype` is the C type. If the field is an address, `points_to` names what is at
    that address. `since` is the first version of the structure that has the field.
    """

    name: str
    owner: type[Struct]

    def __init__(  # noqa: PLR0913  the arguments are the columns of a row
        self,
        offset: int,
        size: int,
        ctype: str,
        meaning: str,
        decode: Callable[[bytes, int | None], T],
        *,
        show: Callable[[int], str] | None = None,
        names: OpenEnum | Bits | None = None,
        points_to: str | None = None,
        since: int = 0,
    ) -> None:
        self.offset = offset
        self.size = size
        self.end = offset + size
        self.ctype = ctype
        self.meaning = meaning
        self.show = show
        self.names = names
        self.points_to = points_to
        self.since = since
        self._decode = decode

    def __set_name__(self, owner: type[Struct], name: str) -> None:
        self.name = name
        self.owner = owner

    @overload
    def __get__(self, record: None, owner: type[Struct]) -> Field[T]: ...
    @overload
    def __get__(self, record: Struct, owner: type[Struct]) -> T: ...
    def __get__(self, record: Struct | None, owner: type[Struct]) -> Field[T] | T:
        if record is None:
            return self
        if self._decode is _integer:  # most fields: it is little-endian, so missing bytes at the end count as zero
            return int.from_bytes(record.raw[self.offset : self.end], "little")  # type: ignore[return-value]  # T is int
        return self._decode(record.bytes_of(self), record.address_of(self))

    def text(self, value: object) -> str:
        """Format a value of this field: a number in the base that the table specifies, bytes in hex."""
        if isinstance(value, int):
            return (self.show or dec)(value)
        if isinstance(value, bytes):
            return value.hex(" ") if any(value) else "0"
        if isinstance(value, tuple):
            return ", ".join(map(self.text, value))
        return str(value)

    def value_name(self, value: object) -> str:
        """Return the name of a value, or an empty string if the field's values have no names."""
        return self.names.text(value) if self.names and isinstance(value, int) else ""


class Struct:
    """A C structure: the class holds its table of fields, and an instance is one record in memory.

    `raw` is the record's bytes, `at` their physical address or None. A record of an older version of the structure is
    shorter than the structure; `has` tests whether it contains a field.
    """

    SIZE: ClassVar[int]
    C_NAME: ClassVar[str]
    SOURCE: ClassVar[str]
    FIELDS: ClassVar[tuple[Field[Any], ...]]

    __slots__ = ("at", "raw")

    def __init_subclass__(cls, *, size: int, c_name: str, source: str) -> None:
        """Collect the fields that the class body defines, and check the table.

        :raise TypeError: if the table has a gap, an overlap, the wrong size, or a field named like an attribute.
        """
        super().__init_subclass__()
        cls.SIZE, cls.C_NAME, cls.SOURCE = size, c_name, source
        cls.FIELDS = tuple(field for field in vars(cls).values() if isinstance(field, Field))
        end = 0
        for field in cls.FIELDS:
            if hasattr(Struct, field.name):
                raise TypeError(f"{c_name}.{field.name} would hide Struct.{field.name}")
            if field.offset != end:
                raise TypeError(f"{c_name}.{field.name} is at {field.offset:#x}, the previous field ends at {end:#x}")
            end = field.end
        if end != size:
            raise TypeError(f"struct {c_name} ends at {end:#x}, but its size is {size:#x}")

    def __init__(self, raw: bytes, at: int | None = None) -> None:
        self.raw = raw
        self.at = at

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Struct) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        place = "" if self.at is None else f" at {self.at:#x}"
        return f"<struct {self.C_NAME}{place}>"

    def _key(self) -> tuple[type[Struct], bytes, int | None]:
        return type(self), self.raw, self.at

    @classmethod
    def field(cls, name: str) -> Field[Any]:
        """Return the row of a field.

        :raise KeyError: if the structure has no field of that name.
        """
        field = vars(cls).get(name)
        if not isinstance(field, Field):
            raise KeyError(name)
        return field

    def has(self, field: Field[Any]) -> bool:
        return field.end <= len(self.raw)

    def bytes_of(self, field: Field[Any]) -> bytes:
        """Return the field's bytes. Bytes past the end of a short record are zero."""
        return self.raw[field.offset : field.end].ljust(field.size, b"\0")

    def address_of(self, field: Field[Any]) -> int | None:
        """Return the physical address of the field's first byte, or None if the record has no address."""
        return None if self.at is None else self.at + field.offset

    def rows(self) -> Iterator[tuple[Field[Any], Any]]:
        """Yield the fields that the record contains, with their values."""
        for field in self.FIELDS:
            if self.has(field):
                yield field, field.__get__(self, type(self))


def _integer(raw: bytes, _paddr: int | None) -> int:
    return int.from_bytes(raw, "little")


def _unsigned(size: int) -> Callable[..., Field[int]]:
    def row(
        offset: int,
        meaning: str,
        show: Callable[[int], str] = dec,
        *,
        names: OpenEnum | Bits | None = None,
        points_to: str | None = None,
        since: int = 0,
    ) -> Field[int]:
        ctype = f"u{8 * size}"
        return Field(offset, size, ctype, meaning, _integer, show=show, names=names, points_to=points_to, since=since)

    return row


u8 = _unsigned(1)
u16 = _unsigned(2)
u32 = _unsigned(4)
u64 = _unsigned(8)


def raw_bytes(offset: int, count: int, meaning: str) -> Field[bytes]:
    """A row of type u8[count], whose value is bytes."""
    return Field(offset, count, f"u8[{count}]", meaning, lambda raw, _: raw)


def u32_array(offset: int, count: int, meaning: str, show: Callable[[int], str] = hex) -> Field[tuple[int, ...]]:
    def decode(raw: bytes, _paddr: int | None) -> tuple[int, ...]:
        return tuple(int.from_bytes(raw[at : at + 4], "little") for at in range(0, 4 * count, 4))

    return Field(offset, 4 * count, f"u32[{count}]", meaning, decode, show=show)


def struct(offset: int, of: type[S], meaning: str) -> Field[S]:
    return Field(offset, of.SIZE, f"struct {of.C_NAME}", meaning, of)


def struct_array(offset: int, of: type[S], count: int, meaning: str) -> Field[tuple[S, ...]]:
    def decode(raw: bytes, paddr: int | None) -> tuple[S, ...]:
        return records(of, raw, paddr)

    return Field(offset, count * of.SIZE, f"struct {of.C_NAME}[{count}]", meaning, decode)


def records(of: type[S], raw: bytes, paddr: int | None) -> tuple[S, ...]:
    """Split `raw`, which was read at `paddr`, into records of type `of`. An incomplete record at the end is dropped."""
    starts = range(0, len(raw) - of.SIZE + 1, of.SIZE)
    return tuple(of(raw[at : at + of.SIZE], None if paddr is None else paddr + at) for at in starts)


def pack(struct: type[Struct], *values: int) -> bytes:
    """Return the bytes of a record whose first fields have these values; the other fields are 0."""
    fields = zip(struct.FIELDS, values, strict=False)
    return b"".join(value.to_bytes(field.size, "little") for field, value in fields).ljust(struct.SIZE, b"\0")
