"""The steps of the graph, as Beam runs them."""
