"""Words as the contracts pack them, and what is signed: no node is needed."""
