"""Reports as text, for a terminal or a file.

run_text          a whole run. Start here
runs_text         several runs as a table
stop_text         one stop
boot_params_text  boot_params and the e820 table
findings_text     findings
watched_text      what the guest did after the last stage
who_text          who wrote and who reads boot data
answers           the output of the `pvh` commands about one stop
log_text          the kernel's log
trace_text        the instructions of a trace
tables            rows as tables
bisect_text       which differences between two handovers kill a kernel
diff_text         differences between two stops or two runs
inspect_text      the output of `pvhdbg inspect`
ascii_text        conversion of any text to ASCII
"""
