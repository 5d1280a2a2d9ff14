//! Diagnostics: what is wrong in a user's file, where, and what to do about it.
//!
//! A leaf that every stage may use. One [`Diagnostic`] is rendered for a terminal by [`render`] and sent to
//! BuildKit as a source with ranges by the frontend, so both doors underline the same words.

mod diagnostic;
mod render;
mod source;
mod suggest;
mod words;

pub use diagnostic::{Diagnostic, Diagnostics, Label, Severity};
pub use render::{render, render_all};
pub use source::{Position, SourceFile, Span, Spanned};
pub use suggest::did_you_mean;
pub(crate) use words::plural;
