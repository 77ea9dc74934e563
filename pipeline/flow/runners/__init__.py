"""What runs the graph: this process, several of them, or an engine elsewhere."""
