"""Run from one stage to the next, using a Target and a Runner.

journey          go to the stages ahead, and capture at each
entry_changes    what pvhdbg changes at the entry
saved_journey    what is known about a boot at one moment, to go back to it
observed_calls   the calls of the functions that mark stages
stage_detection  find out which stages a guest passed while it ran unobserved
hypercall        observe how the kernel asks Xen for its memory map
file_match       compare the loaded segments with the kernel file at the entry
image_match      compare the kernel file with the kernel in guest memory
xen_domains      tell the kernel from Xen and from other guests of Xen
slow_page        set no breakpoint in the page in which Linux clears its BSS
stop_recorder    add the code, the serial output and the kernel's log to a capture
run_to_stage     run to a stage, and return the outcome
ending           how a guest ended without dying
watch            let the guest continue after the last stage, and find out how it ends

Start with journey.
"""
