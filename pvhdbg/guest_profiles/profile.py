"""The types of the table of guests."""

from __future__ import annotations

from pvhdbg.named_tuple import NamedTuple

PVH_START_INFO = "pvh_start_info"
BOOT_PARAMS = "boot_params"
KERNEL_BOOT_PARAMS = "kernel_boot_params"
E820_TABLE = "e820_table"
"""What a capture reads from a variable of the guest: keys of a Capture and of its JSON form."""

STRUCTURE, POINTER, PHYSICAL = "structure", "pointer", "physical address"
"""What a variable holds: the structure itself, a pointer to it that the guest can use, or its physical address."""


class GuestStage(NamedTuple):
    """One of the stages in this guest: the first instruction of a function, or, if `returns`, the return from it.

    A name with `::` is the path of a Rust function, whose symbol is mangled.
    """

    name: str
    function: str
    returns: bool = False

    @property
    def about(self) -> str:
        return f"the return from {self.function}" if self.returns else f"the first instruction of {self.function}"


class Variable(NamedTuple):
    """A variable of the guest. `key` is what a capture reads there, `stages` the stages at which it is valid.

    `size` is the size in bytes of a pointer or physical address; 0 means the size of the guest's pointers.
    """

    key: str
    symbol: str
    holds: str
    stages: tuple[str, ...]
    about: str
    size: int = 0


class Marks(NamedTuple):
    """How a guest is recognized: any one of these is enough.

    All of `symbols` are defined; the GUEST_OS note begins with `guest_os`; a note has the owner `note_owner`; or, if
    the file has no symbols, its segments contain `string`.
    """

    symbols: tuple[str, ...] = ()
    guest_os: str = ""
    note_owner: str = ""
    string: bytes = b""


class GuestProfile(NamedTuple):
    """The facts about a guest. `name` is a short name for JSON and `explain`, `title` the guest's own name.

    `stages` has the stages of this guest after the entry; `without` is why it lacks the others, if that is special.
    `wrong_magic` is a clause that says what it does if the magic is wrong.
    `argument` is the register with the address of start_info at the stage prepare; empty if there is none. `reads`,
    `ignores` and `requires` are sentences for readers. `tried` says what was tested with a real guest; if it is empty,
    everything is from the guest's source. `needs_xen` says how the guest ends if its VMM is not Xen; empty if it does
    not need Xen. `needs_version_1`: it takes its memory map only from a start_info of version 1.
    """

    name: str
    title: str
    marks: Marks
    stages: tuple[GuestStage, ...]
    variables: tuple[Variable, ...]
    argument: str
    reads: str
    ignores: str
    requires: str
    source: str
    tried: str = ""
    without: str = ""
    wrong_magic: str = "guests do not accept it"
    boots_like_linux: bool = False
    needs_xen: str = ""
    needs_version_1: bool = False

    def stage(self, name: str) -> GuestStage | None:
        """Return a stage other than the entry; None if this guest does not have it."""
        return next((stage for stage in self.stages if stage.name == name), None)

    def variable(self, key: str) -> Variable | None:
        """Return the variable that a capture reads for this key; None if this guest does not have one."""
        return next((variable for variable in self.variables if variable.key == key), None)
