//! GLES renderer: context, desktop, pointer and frame upload.
