"""A debugger for the first milliseconds of a PVH boot."""

__version__ = "0.1.0"
