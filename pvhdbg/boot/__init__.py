"""What a PVH boot is: its stages, what is there at each, and how to read it.

    stages journey progress identity travel     the way, whether somebody looks or not
    read address paging probe capture           a stop: what is there, decoded
    placed listed spans                         where things lie, and what of memory the map lists
    rules early_maps expected zero_page         the reference model: what the kernel should make of it,
    overrun predicted sanitised difference      the deaths that it foresees, and where the kernel did otherwise
    rewrite to_protocol set_item setting        the laboratory: what was handed over, changed
    writes room protocols
    document replay compare                     a whole run, read back from a file, compared
    sessions recorded lookup expression         where commands are asked, and what they are asked about

Standard library alone: it runs inside gdb, too.
"""
