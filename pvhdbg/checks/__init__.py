"""Rules: from what was captured to findings about it. Pure: the same live, in gdb and of a recording."""
