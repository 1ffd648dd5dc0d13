"""Annotation formats: one module each, with a reader and a writer; `registry` names them all."""
