"""What a file contains and how it was read: text, tables and a figure."""
