"""From a table of a cycler's file to a `TimeSeries`: columns, clock, sign, cycles."""
