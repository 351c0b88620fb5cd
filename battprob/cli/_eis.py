"""`battprob eis`: circuits fitted to spectra."""

import argparse
from pathlib import Path


def add(commands):
    """Add the commands on impedance spectra."""
    files = argparse.ArgumentParser(add_help=False)
    files.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help=".csv, .DTA, .z, .mpt or a folder of them",
    )
    files.add_argument(
        "--by",
        default=[],
        type=lambda text: text.split(","),
        metavar="A,B,...",
        help="columns that tell one spectrum of a file from the next",
    )
    eis = commands.add_parser("eis", help="fit circuits to impedance spectra")
    kinds = eis.add_subparsers(dest="kind", required=True, metavar="fit|compare")
    fit = kinds.add_parser(
        "fit", parents=[files], help="parameters with errors, of one spectrum or many"
    )
    fit.add_argument(
        "--circuit", required=True, metavar="TEXT", help="as 'R0-p(R1,CPE1)-Wo1'"
    )
    fit.add_argument("-o", "--output", type=Path, metavar="OUT.csv")
    fit.set_defaults(run=_eis_fit)
    compare = kinds.add_parser(
        "compare", parents=[files], help="which circuit, of a list or of your own"
    )
    compare.add_argument(
        "--circuit", action="append", metavar="TEXT", help="a candidate; repeat it"
    )
    compare.set_defaults(run=_eis_compare)


def _eis_fit(options):
    import jax

    from battprob import eis

    circuit = eis.Circuit(options.circuit)
    spectra = eis.spectra_of_files(options.files, by=options.by)
    posteriors = eis.fit_spectra(circuit, spectra, key=jax.random.key(0))
    if len(spectra) == 1:
        for line in spectra[0].assumed:
            print(line)
        print(posteriors[0].parameters)
    for spectrum, posterior in zip(spectra, posteriors, strict=True):
        print(f"{spectrum.name}: {posterior.verdict}")
    if options.output is not None:
        eis.write_table(options.output, spectra, posteriors)
        print(f"{len(spectra)} rows in {options.output}")


def _eis_compare(options):
    import jax

    from battprob import eis

    for spectrum in eis.spectra_of_files(options.files, by=options.by):
        found = eis.compare(
            options.circuit,
            spectrum.frequency_hz,
            spectrum.impedance_ohm,
            key=jax.random.key(0),
        )
        print(f"{spectrum.name}\n{found}\n\n{found.best.parameters}")
