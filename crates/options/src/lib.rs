//! Option engine: syntax, sources, precedence, validation and help tables.
