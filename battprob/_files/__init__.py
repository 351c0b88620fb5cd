"""Files: atomic replacement, saved objects, tables as text."""
