"""Pure values and decisions; imports the standard library and itself only."""
