"""Which programs write and read each field of the boot data, and why it matters: the facts behind `explain`.

structures       each structure as a whole, and STRUCTS, the list of all tables
start_info       the fields of hvm_start_info, hvm_modlist_entry, hvm_memmap_table_entry
boot_params      the fields of boot_params
setup_header     the fields of setup_header
zero_page_parts  fields of the other nested structures whose role differs from that of their structure
e820             boot_e820_entry, e820_table and the e820 types
flags            flags whose role differs from that of their field
actors           Role, and names for the programs
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.roles.actors import Role
from pvhdbg.abi.roles.boot_params import BOOT_PARAMS
from pvhdbg.abi.roles.e820 import BOOT_E820_ENTRY, E820_TABLE, E820_TYPES
from pvhdbg.abi.roles.flags import FLAGS
from pvhdbg.abi.roles.setup_header import SETUP_HEADER
from pvhdbg.abi.roles.start_info import MEMMAP_TABLE_ENTRY, MODLIST_ENTRY, START_INFO
from pvhdbg.abi.roles.structures import STRUCTS, STRUCTURES
from pvhdbg.abi.roles.zero_page_parts import PARTS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["E820_TYPES", "FIELDS", "FLAGS", "PARTS", "STRUCTS", "STRUCTURES", "Role", "has_own_role", "role"]

FIELDS: Mapping[str, Mapping[str, Role]] = {
    "hvm_start_info": START_INFO,
    "hvm_modlist_entry": MODLIST_ENTRY,
    "hvm_memmap_table_entry": MEMMAP_TABLE_ENTRY,
    "boot_e820_entry": BOOT_E820_ENTRY,
    "e820_table": E820_TABLE,
    "boot_params": BOOT_PARAMS,
    "setup_header": SETUP_HEADER,
}
"""Roles by the C names of structure and field. In other structures, every field that is not in PARTS has the role of
the structure."""


def role(struct: str, field: str) -> Role:
    """Return the role of a field, which is given by the C names of its structure and itself.

    :raise KeyError: if there is no such structure or field.
    """
    if struct in FIELDS:
        return FIELDS[struct][field]
    STRUCTS[struct].field(field)  # raises KeyError for an unknown name
    return PARTS.get(struct, {}).get(field, STRUCTURES[struct])


def has_own_role(struct: str, field: str) -> bool:
    """Return whether a field has its own role, not the role of its structure."""
    return struct in FIELDS or field in PARTS.get(struct, {})
