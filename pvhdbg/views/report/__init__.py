"""Reports and answers as text, for a terminal or a file.

run_text          a whole run. Start here
stop_text         one stop
boot_params_text  boot_params and the e820 table
findings_text     findings
answers           the answer to one question
tables            rows as tables
diff_text         differences
inspect_text      `inspect`
ascii_text        any text in ASCII
"""
