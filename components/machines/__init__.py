"""Where machines come from: one file per provider, and what all of them give to the rest of the program."""
