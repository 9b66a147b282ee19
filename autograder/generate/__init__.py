"""Everything a machine writes from an author's files: stubs, fingerprints, pages, assignments, mutants."""
