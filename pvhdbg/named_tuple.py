"""NamedTuple, as in `typing`, but its classes are made in a fifth of the time.

A command imports more than a hundred such classes. typing.NamedTuple compiles the annotation of each of their fields,
and collections.namedtuple compiles the constructor of each class. Nothing here evaluates annotations, and constructors
of the same number of fields differ only in the names of their arguments. Type checkers see typing.NamedTuple.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["NamedTuple"]

if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from collections import _tuplegetter as field_getter
    from functools import cache
    from types import FunctionType

    @cache
    def _constructor(count):  # noqa: ANN001, ANN202 - type checkers do not see it
        """Return the code of a constructor with this number of arguments."""
        names = "".join(f"a{number}, " for number in range(count))
        return eval(f"lambda cls, {names}: new(cls, ({names}))").__code__  # noqa: S307 - it has only numbered names

    class _Methods:
        """What all classes have: the methods of collections.namedtuple."""

        @classmethod
        def _make(cls, values):  # noqa: ANN001, ANN206
            made = tuple.__new__(cls, values)
            if len(made) != len(cls._fields):
                raise TypeError(f"expected {len(cls._fields)} arguments, got {len(made)}")
            return made

        def _replace(self, /, **changes):  # noqa: ANN003, ANN202
            made = self._make(map(changes.pop, self._fields, self))
            if changes:
                raise ValueError(f"got unexpected field names: {list(changes)!r}")
            return made

        def _asdict(self):  # noqa: ANN202
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self):  # noqa: ANN204
            fields = ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
            return f"{type(self).__name__}({fields})"

        def __getnewargs__(self):  # noqa: ANN204
            return tuple(self)

    _NAMES = ("_make", "_replace", "_asdict", "__repr__", "__getnewargs__")
    _METHODS = {name: vars(_Methods)[name] for name in _NAMES}

    class _Maker(type):
        """Makes a class statement result in a subclass of tuple, which is not an instance of this metaclass."""

        def __new__(mcs, name, bases, body):  # noqa: ANN001, ANN204
            if not bases:
                return super().__new__(mcs, name, bases, body)
            fields = tuple(body["__annotations__"])
            defaults = {field: body[field] for field in fields if field in body}
            code = _constructor(len(fields)).replace(co_varnames=("cls", *fields), co_name="__new__")
            new = FunctionType(code, {"new": tuple.__new__}, "__new__", tuple(defaults.values()))
            new.__qualname__ = f"{body['__qualname__']}.__new__"
            getters = {field: field_getter(index, None) for index, field in enumerate(fields)}
            constants = {"_fields": fields, "_field_defaults": defaults, "__match_args__": fields, "__slots__": ()}
            doc = f"{name}({', '.join(fields)})"
            return type(name, (tuple,), {"__doc__": doc, **_METHODS, **body, **getters, **constants, "__new__": new})

    class NamedTuple(metaclass=_Maker):
        """The base in the class statement. Its subclasses are subclasses of tuple, not of this class."""
