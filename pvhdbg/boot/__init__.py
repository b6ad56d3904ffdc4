"""What a PVH boot is: its stages, what is there at each, and how to read it."""
