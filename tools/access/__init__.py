"""Who may do what in a stack: `make access`, and the part of the preview report about rights."""
