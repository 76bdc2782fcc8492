"""What a node should look like (pure), and the two commands that make it so."""
