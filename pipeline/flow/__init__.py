"""How batches move: the graph, its stages and the runners. Only this room imports Apache Beam."""
