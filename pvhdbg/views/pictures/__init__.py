"""Pictures of a boot: pure functions from captures to drawings, each as SVG and as text.

markup    elements of SVG and HTML. The only module that imports the library for it, xml.etree.ElementTree
style     the colors: light, dark and printed
drawing   boxes, labels and arrows on a sheet
memory    memory to scale, with what lies where
graph     boxes of fields and the arrows between them, as data, as text and drawn
handover  EBX, start_info, and everything that it leads to
paging    one address on its way through the page tables
segments  the selectors, and the entries of the GDT that they name
writers   which functions wrote which fields
timeline  the stages, and which structures exist at each
table     every picture, by its name

Start with drawing.
"""
