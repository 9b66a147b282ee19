"""The authors' and instructors' side: checks, generated files, grading, the site."""
