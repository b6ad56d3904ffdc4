"""Predict what a VMM's own loader does with a kernel file, from the rules in the VMM's profile.

note_search   how each loader searches for the PVH note
prediction    the entry that a VMM uses, and what is wrong with the file for this VMM

Start with prediction. The rules are values in pvhdbg.vmm_profiles; only a search that no other loader has is code.
"""
