//! The moving test pattern and the stamp in its first rows.
