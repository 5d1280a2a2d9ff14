//! The pipeline without an engine: every example through the whole frontend, against a bridge that answers from a
//! script, down to the graph. What comes out is written down in snapshots: a change of any graph is seen.

mod cache;
mod checks;
mod examples;
mod graphs;
mod layers;
mod scripted;
