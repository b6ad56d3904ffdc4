"""`source` this inside gdb: the prefix command `pvh`, `$pvh_…` functions, `layout pvh`, `-pvh-capture`, printers.

It finds the package pvhdbg beside itself, needs the standard library alone, changes no setting, and leaves sys.path
and gdb's __main__ as they are. Any gdb's Python can read it, if only to be told that it is too old.
"""


def _source():  # type: () -> None  # noqa: ANN202  older Pythons know no other way
    """Say what is too old, or load the rest."""
    import re
    import sys

    import gdb

    version = re.search(r"(\d+)\.\d+", gdb.VERSION)
    if version and int(version.group(1)) < 10:
        gdb.write("pvh needs gdb 10 or newer: this is %s\n" % gdb.VERSION, gdb.STDERR)
    elif sys.version_info < (3, 10):
        gdb.write("pvh needs Python 3.10 or newer: this gdb has %d.%d\n" % sys.version_info[:2], gdb.STDERR)
    else:
        # Not __file__: where a script of the user's sources this one, that is the user's.
        _load(sys._getframe().f_code.co_filename)  # noqa: F821, SLF001  deleted below, after this


def _load(script):  # type: (str) -> None  # noqa: ANN001, ANN202
    """Take the package that belongs to this script, whatever else is called pvhdbg here."""
    import importlib
    import os
    import sys

    above = os.path.dirname(os.path.dirname(os.path.realpath(script)))
    # In a checkout gdb_scripts/ lies beside the package; installed, it is _gdb_scripts/ in the package.
    folder = above if os.path.isdir(os.path.join(above, "pvhdbg")) else os.path.dirname(above)
    loaded = sys.modules.get("pvhdbg")
    if loaded is None or list(loaded.__path__) != [os.path.join(folder, "pvhdbg")]:
        for name in [each for each in sys.modules if each.split(".")[0] == "pvhdbg"]:
            del sys.modules[name]
        sys.path.insert(0, folder)
        try:
            importlib.import_module("pvhdbg")
        finally:
            sys.path.remove(folder)
    importlib.import_module("pvhdbg.in_gdb.install").install()


_source()
del _source, _load
