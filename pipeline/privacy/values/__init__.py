"""What becomes of one kind of value: addresses, agents, routes, numbers."""
