"""The authors' and instructors' side: checks, generated files, grading, the site."""

import sys

# nbformat imports jsonschema, which would spend most of two seconds in each process on parsers for two
# formats that no notebook's schema names, "iri" and "iri-reference". Without this package it leaves them out.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
