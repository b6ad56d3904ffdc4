"""What gdb gets when a user sources gdb_scripts/pvh.py: commands, functions, printers, a window. Imports gdb."""
