"""No field without a meaning and a role: this is where people learn."""

import importlib
import pkgutil

import pytest

from pvhdbg import abi
from pvhdbg.abi import roles
from pvhdbg.abi.e820 import E820_TYPES
from pvhdbg.abi.layout import Struct


@pytest.mark.parametrize("of", roles.STRUCTS.values(), ids=roles.STRUCTS)
def test_every_field_has_a_meaning_and_a_role(of: type[Struct]) -> None:
    assert [] == [each.name for each in of.FIELDS if not each.meaning or not all(roles.role(of.C_NAME, each.name))]


def test_every_structure_has_a_role_and_a_source() -> None:
    assert list(roles.STRUCTS) == list(roles.STRUCTURES)
    assert [] == [name for name, each in roles.STRUCTS.items() if not each.SOURCE or not all(roles.STRUCTURES[name])]


def test_every_table_is_known_by_its_c_name() -> None:
    for module in pkgutil.walk_packages(abi.__path__, f"{abi.__name__}."):
        importlib.import_module(module.name)
    tables = [each for each in Struct.__subclasses__() if each.__module__.startswith(abi.__name__)]

    assert {each.C_NAME: each for each in tables} == roles.STRUCTS


def test_roles_are_only_of_fields_that_there_are() -> None:
    known = {(name, each.name) for name, of in roles.STRUCTS.items() for each in of.FIELDS}
    told = {(name, field) for of in (roles.FIELDS, roles.PARTS) for name, fields in of.items() for field in fields}

    assert set() == told - known


def test_roles_are_only_of_flags_that_there_are() -> None:
    known = {
        f"{name}.{field.name}": {bit.name for bit in field.names.names.values()}
        for name, of in roles.STRUCTS.items()
        for field in of.FIELDS
        if field.names
    }

    assert [] == [(field, flag) for field, flags in roles.FLAGS.items() for flag in flags if flag not in known[field]]


def test_every_e820_type_has_an_explanation() -> None:
    assert E820_TYPES.names.keys() == roles.E820_TYPES.keys()


def test_a_field_of_a_small_structure_has_its_structures_role() -> None:
    assert roles.STRUCTURES["screen_info"] == roles.role("screen_info", "lfb_base")
    assert not roles.is_its_own("screen_info", "lfb_base")


def test_what_is_no_part_of_its_structures_purpose_has_a_role_of_its_own() -> None:
    assert "e820__memory_setup_default" in roles.role("screen_info", "ext_mem_k").read_by
    assert roles.is_its_own("screen_info", "ext_mem_k")


@pytest.mark.parametrize(("struct", "field"), [("hvm_start_info", "no"), ("screen_info", "no"), ("no", "magic")])
def test_there_is_no_role_for_what_there_is_not(struct: str, field: str) -> None:
    with pytest.raises(KeyError):
        roles.role(struct, field)


def test_meanings_and_roles_are_plain_lines() -> None:
    texts = [each.meaning for of in roles.STRUCTS.values() for each in of.FIELDS]
    texts += [text for role in roles.STRUCTURES.values() for text in role]
    for fields in (*roles.FIELDS.values(), *roles.PARTS.values(), *roles.FLAGS.values()):
        texts += [text for role in fields.values() for text in role]

    assert [] == [each for each in texts if not each.isprintable() or not each.replace("…", "").isascii()]
