"""The thread that owns gdb.

machine_thread  starts the thread
worker          takes one request after the other, and posts events
requests        the queue of requests
event_queue     the queue of events
memory_view     the bytes that the memory view shows
terminal        the terminal, and how to restore it

Start with worker. Of tui only screen is imported here.
"""
