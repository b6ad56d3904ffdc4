"""Sourced by gdb: make this gdb look like gdb 10 to pvh.py."""

import gdb


class OldInferior:
    """An inferior without `connection`."""

    def __init__(self, real: gdb.Inferior) -> None:
        self._real = real

    def __getattr__(self, name: str) -> object:
        if name == "connection":
            raise AttributeError(name)
        return getattr(self._real, name)


for missing in ("BP_HARDWARE_BREAKPOINT", "MICommand", "host_charset", "print_options", "register_window_type"):
    delattr(gdb, missing)
selected_inferior = gdb.selected_inferior
gdb.selected_inferior = lambda: OldInferior(selected_inferior())  # type: ignore[assignment, return-value]
gdb.VERSION = "Fedora Linux 10.1.90.20210103-git"
