"""Other machines, by Ray: the nodes of a cluster, and collectors there."""
