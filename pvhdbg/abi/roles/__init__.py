"""Who writes and who reads each field of the boot data, and why it matters: where people learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.roles.boot_params import BOOT_PARAMS
from pvhdbg.abi.roles.e820 import BOOT_E820_ENTRY, E820_TABLE, E820_TYPES
from pvhdbg.abi.roles.flags import FLAGS
from pvhdbg.abi.roles.parts import PARTS
from pvhdbg.abi.roles.setup_header import SETUP_HEADER
from pvhdbg.abi.roles.start_info import MEMMAP_TABLE_ENTRY, MODLIST_ENTRY, START_INFO
from pvhdbg.abi.roles.structures import STRUCTS, STRUCTURES
from pvhdbg.abi.roles.words import Role

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["E820_TYPES", "FIELDS", "FLAGS", "PARTS", "STRUCTS", "STRUCTURES", "Role", "is_its_own", "role"]

FIELDS: Mapping[str, Mapping[str, Role]] = {
    "hvm_start_info": START_INFO,
    "hvm_modlist_entry": MODLIST_ENTRY,
    "hvm_memmap_table_entry": MEMMAP_TABLE_ENTRY,
    "boot_e820_entry": BOOT_E820_ENTRY,
    "e820_table": E820_TABLE,
    "boot_params": BOOT_PARAMS,
    "setup_header": SETUP_HEADER,
}
"""Roles by the structure's and the field's C name. A structure that is not here is one part with one role."""


def role(struct: str, field: str) -> Role:
    """The role of a field, by C names; most fields of the zero page's small structures have their structure's.

    :raise KeyError: if there is no such field.
    """
    if struct in FIELDS:
        return FIELDS[struct][field]
    STRUCTS[struct].field(field)  # which raises
    return PARTS.get(struct, {}).get(field, STRUCTURES[struct])


def is_its_own(struct: str, field: str) -> bool:
    """Whether a field's role is not just that of its structure."""
    return struct in FIELDS or field in PARTS.get(struct, {})
