"""What the selected row stands for, and the search for a row.

selected_row  the row's text, its place for a breakpoint, and its bytes for `who` and for going back
search        select the next row or line with a text
"""
