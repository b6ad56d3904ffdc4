"""Every field, flag and type has a meaning and a role, which `explain` shows."""

import importlib
import pkgutil

import pytest

from pvhdbg import abi
from pvhdbg.abi import roles
from pvhdbg.abi.e820 import E820_TYPES
from pvhdbg.abi.layout import Struct


@pytest.mark.parametrize("of", roles.STRUCTS.values(), ids=roles.STRUCTS)
def test_every_field_has_a_meaning_and_a_role(of: type[Struct]) -> None:
    assert [] == [field.name for field in of.FIELDS if not field.meaning or not all(roles.role(of.C_NAME, field.name))]


def test_every_structure_has_a_role_and_a_source() -> None:
    assert list(roles.STRUCTS) == list(roles.STRUCTURES)
    assert [] == [name for name, of in roles.STRUCTS.items() if not of.SOURCE or not all(roles.STRUCTURES[name])]


def test_every_table_is_listed_by_its_c_name() -> None:
    for module in pkgutil.walk_packages(abi.__path__, f"{abi.__name__}."):
        importlib.import_module(module.name)
    tables = [table for table in Struct.__subclasses__() if table.__module__.startswith(abi.__name__)]

    assert {table.C_NAME: table for table in tables} == roles.STRUCTS


def test_every_role_belongs_to_an_existing_field() -> None:
    known = {(name, field.name) for name, of in roles.STRUCTS.items() for field in of.FIELDS}
    described = {(name, field) for of in (roles.FIELDS, roles.PARTS) for name, fields in of.items() for field in fields}

    assert set() == described - known


def test_every_flag_role_belongs_to_an_existing_flag() -> None:
    known = {
        f"{name}.{field.name}": {bit.name for bit in field.names.names.values()}
        for name, of in roles.STRUCTS.items()
        for field in of.FIELDS
        if field.names
    }

    assert [] == [(field, flag) for field, flags in roles.FLAGS.items() for flag in flags if flag not in known[field]]


def test_every_e820_type_has_a_text() -> None:
    assert E820_TYPES.names.keys() == roles.E820_TYPES.keys()


def test_a_field_of_a_small_structure_has_the_role_of_the_structure() -> None:
    assert roles.STRUCTURES["screen_info"] == roles.role("screen_info", "lfb_base")
    assert not roles.has_own_role("screen_info", "lfb_base")


def test_a_field_with_another_purpose_than_its_structure_has_its_own_role() -> None:
    assert "e820__memory_setup_default" in roles.role("screen_info", "ext_mem_k").read_by
    assert roles.has_own_role("screen_info", "ext_mem_k")


@pytest.mark.parametrize(("struct", "field"), [("hvm_start_info", "no"), ("screen_info", "no"), ("no", "magic")])
def test_an_unknown_structure_or_field_is_an_error(struct: str, field: str) -> None:
    with pytest.raises(KeyError):
        roles.role(struct, field)


def test_meanings_and_roles_are_single_lines_of_ascii() -> None:
    texts = [field.meaning for of in roles.STRUCTS.values() for field in of.FIELDS]
    texts += [text for role in roles.STRUCTURES.values() for text in role]
    for fields in (*roles.FIELDS.values(), *roles.PARTS.values(), *roles.FLAGS.values()):
        texts += [text for role in fields.values() for text in role]

    assert [] == [text for text in texts if not text.isprintable() or not text.replace("…", "").isascii()]
