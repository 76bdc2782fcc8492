"""`make doctor`: what this machine can do for a stack, and how to mend what is missing."""
