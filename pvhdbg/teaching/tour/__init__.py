"""The tour: chapters about the boot of the teaching guest, each with cards to read beside the real values.

chapter    reads a chapter, and checks its facts against a boot
tour_text  a chapter as text
card_rows  the row that a card is about, and the rows around it
handout    the tour as a document, in HTML or Markdown

The chapters are the Markdown files in pvhdbg/teaching/chapters, next to recordings of the boots that they are about.
"""
