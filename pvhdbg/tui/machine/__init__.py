"""The thread that owns gdb.

machine_thread  the thread itself: starts the machine and serves the worker
worker          runs requests one by one, and emits events
first_stop      the run to the first stop
requests        the queue of requests
typed_line      run a line that the user typed
event_queue     holds the events until the screen exists
idle_time       how long to wait before a snapshot is taken
memory_view     reads the memory that the bytes view shows
log_reader      reads the kernel's log
stop_events     the events about a stop
stage_marks     the marks of the stages, for the line below the header
terminal        the terminal's settings, and how to restore them

Start with worker. Of tui's packages, only screen and events are imported here.
"""
