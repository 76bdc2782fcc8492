"""What a run of Pulumi shows: one line for each phase and node, instead of several lines for each resource."""
