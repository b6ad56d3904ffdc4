"""A debugger for the first milliseconds of a PVH boot.

cli       the shell command `pvhdbg`: options, one module per command, exit status
tui       the terminal interface
in_gdb    the `pvh` commands inside any gdb, loaded by gdb_scripts/pvh.py
commands  the `pvh` commands, shared by the command line, the TUI and gdb
live      starts QEMU and gdb, or attaches to a running gdb stub
teaching  what the tour and the labs have in common
views     captures and findings as text, rows and JSON
checks    the rules that find problems in a boot
boot      a PVH boot: its stages, captures, recordings, and what the kernel makes of its input
image     a kernel file on disk
target    a stopped machine
vmm_profiles  what each VMM hands over, as data
abi       the C structures of the boot protocol as tables
guest     the teaching guest: a small kernel that boots via PVH
guest_profiles  what pvhdbg knows about each PVH guest, as tables
manual    the user manual, in Markdown
state_files  what pvhdbg remembers about its user between runs
errors    the errors that users see as one line
named_tuple  typing.NamedTuple, made faster
lazy_pattern  re.compile, but at first use

A package imports only packages below it in this list. Packages on the same level do not import each other: tui and
in_gdb, commands and live, image and target. Everything except cli, tui, live and some modules of image and
target also runs inside gdb's Python, and so does live.system.cache: all of this uses only the standard library.

Start with boot: everything above it shows or checks its captures.
"""

__version__ = "0.1.0"
