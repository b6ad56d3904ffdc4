"""NamedTuple, as in `typing`, but its classes are made in less than half of the time.

A command imports more than a hundred such classes. typing.NamedTuple compiles the annotation of each of their fields,
which takes a quarter of the time in which `pvhdbg dump` loads its modules, and nothing here evaluates annotations. Type
checkers see typing.NamedTuple.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["NamedTuple"]

if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from collections import namedtuple

    _OWN = ("__annotations__", "__module__", "__qualname__")

    class _Maker(type):
        """Makes a class statement result in a plain subclass of tuple, which is not an instance of this metaclass."""

        def __new__(mcs, name, bases, body):  # noqa: ANN001, ANN204 - type checkers do not see it
            if not bases:
                return super().__new__(mcs, name, bases, body)
            fields = body["__annotations__"]
            defaults = [body[field] for field in fields if field in body]
            made = namedtuple(name, fields, defaults=defaults, module=body["__module__"])  # noqa: PYI024 - it is the fast one
            made.__annotations__, made.__qualname__ = fields, body["__qualname__"]
            for key, value in body.items():
                if key not in fields and key not in _OWN:
                    setattr(made, key, value)
            return made

    class NamedTuple(metaclass=_Maker):
        """The base in the class statement. Its subclasses are subclasses of tuple, not of this class."""
