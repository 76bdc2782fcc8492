"""How a release reaches its machine: staged on all machines at the same time, then activated in an order."""
