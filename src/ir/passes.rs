//! Passes over the graph: each a free function with a two-line contract.
