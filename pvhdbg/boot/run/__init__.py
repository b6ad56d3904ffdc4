"""Run from one stage to the next, over Target and Runner.

journey          the stages ahead, the breakpoints for them, and a capture at each
stage_detection  which stages a guest passed while it ran unwatched
image_match      whether the kernel file is the kernel in memory
run_to_stage     a whole run to a stage, and its outcome

Start with journey.
"""
