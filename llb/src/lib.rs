//! Typed BuildKit LLB graphs, encoded byte for byte as BuildKit's own client does.
