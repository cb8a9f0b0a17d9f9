"""The pages: each a pure function from the report, and what else it shows, to a document."""
