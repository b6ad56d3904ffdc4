"""Load pvhdbg into gdb with `source`: adds `pvh …`, `$pvh_…()`, `layout pvh`, -pvh-capture and pretty-printers.

The script finds the pvhdbg package next to its own folder and needs only the standard library. It does not change gdb's
settings, sys.path or gdb's __main__. Old versions of Python can parse it too, so that they print an error message.
"""


def _source():  # type: () -> None  # noqa: ANN202  Python 2 has no annotations
    """Load pvhdbg into gdb, or print that gdb or its Python is too old."""
    import re
    import sys

    import gdb

    version = re.search(r"(\d+)\.\d+", gdb.VERSION)
    if version and int(version.group(1)) < 10:
        gdb.write("pvhdbg needs gdb 10 or newer: this is gdb %s\n" % gdb.VERSION, gdb.STDERR)
    elif sys.version_info < (3, 10):
        gdb.write("pvhdbg needs Python 3.10 or newer: this gdb has Python %d.%d\n" % sys.version_info[:2], gdb.STDERR)
    else:
        # If the user's script sources this script, __file__ is the path of the user's script.
        _load(sys._getframe().f_code.co_filename)  # noqa: F821, SLF001  deleted only after this call


def _load(script):  # type: (str) -> None  # noqa: ANN001, ANN202
    """Import the package that belongs to this script, even if gdb's Python has another package called pvhdbg."""
    import importlib
    import os
    import sys

    above = os.path.dirname(os.path.dirname(os.path.realpath(script)))
    # In a checkout, gdb_scripts/ is next to the package. When installed, it is _gdb_scripts/ inside the package.
    folder = above if os.path.isdir(os.path.join(above, "pvhdbg")) else os.path.dirname(above)
    loaded = sys.modules.get("pvhdbg")
    if loaded is None or list(loaded.__path__) != [os.path.join(folder, "pvhdbg")]:
        for name in [name for name in sys.modules if name.split(".")[0] == "pvhdbg"]:
            del sys.modules[name]
        sys.path.insert(0, folder)
        try:
            importlib.import_module("pvhdbg")
        finally:
            sys.path.remove(folder)
    importlib.import_module("pvhdbg.in_gdb.install").install()


_source()
del _source, _load
