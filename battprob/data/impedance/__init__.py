"""From the tables of a file to impedance spectra: columns, sweeps, sign of Im Z."""
