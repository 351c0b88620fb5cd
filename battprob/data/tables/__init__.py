"""From a file of any format to tables of its columns, before any is interpreted."""
