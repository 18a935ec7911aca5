"""Connection to a node: networks, transactions, refusals, the compiler."""
