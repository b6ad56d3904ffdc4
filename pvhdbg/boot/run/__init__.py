"""From one stage to the next. Written once, over Target and Runner.

journey          the stages ahead, the breakpoints for them, and a capture at each
stage_detection  which stage a guest has reached that ran unwatched
image_match      whether the kernel file is the kernel in memory
run_to_stage     a whole run, to the last stage that is wanted

Start with journey.
"""
