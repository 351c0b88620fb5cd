"""`battprob eis`: circuits, relaxation times and consistency of spectra."""

from pathlib import Path

from battprob.cli.arguments import Parser


def add(commands):
    """Add the commands on impedance spectra."""
    files = Parser(add_help=False)
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
        action="extend",
        metavar="A,B,...",
        help="columns that tell one spectrum of a file from the next",
    )
    eis = commands.add_parser("eis", help="impedance spectra: circuits and beyond")
    kinds = eis.add_subparsers(
        dest="kind", required=True, metavar="fit|compare|check|drt"
    )
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
    check = kinds.add_parser(
        "check", parents=[files], help="consistency with Kramers and Kronig, by p-value"
    )
    check.add_argument(
        "--admittance", action="store_true", help="of 1/Z: stable under a voltage only"
    )
    check.set_defaults(run=_eis_check)
    drt = kinds.add_parser(
        "drt", parents=[files], help="relaxation times: peaks, and the curve with bands"
    )
    drt.add_argument("-o", "--output", type=Path, metavar="OUT.csv")
    drt.set_defaults(run=_eis_drt)


def _read(options):
    """The spectra; of a single one, said in words, what was taken for granted."""
    from battprob import eis

    spectra = eis.spectra_of_files(options.files, by=options.by)
    if len(spectra) == 1:
        for line in spectra[0].assumptions:
            print(line)
    return spectra


def _eis_fit(options):
    import jax

    from battprob import eis

    circuit = eis.Circuit(options.circuit)
    spectra = _read(options)
    posteriors = eis.fit_spectra(circuit, spectra, key=jax.random.key(0))
    if len(spectra) == 1:
        print(posteriors[0].parameters)
    for spectrum, posterior in zip(spectra, posteriors, strict=True):
        print(f"{spectrum.name}: {posterior.verdict}")
    if options.output is not None:
        eis.write_table(options.output, spectra, posteriors)
        rows = "1 row" if len(spectra) == 1 else f"{len(spectra)} rows"
        print(f"{rows} in {options.output}")


def _eis_compare(options):
    import jax

    from battprob import eis

    for spectrum in _read(options):
        found = eis.compare(
            options.circuit,
            spectrum.frequency_hz,
            spectrum.impedance_ohm,
            key=jax.random.key(0),
        )
        print(f"{spectrum.name}\n{found}\n\n{found.best.parameters}")


def _eis_check(options):
    from battprob.eis.files import check_spectra

    spectra = _read(options)
    for rows, found in check_spectra(spectra, admittance=options.admittance):
        for place, row in enumerate(rows):
            print(f"{spectra[row].name}: {found[place]}")
        bad = [spectra[rows[i]].name for i in (~found.consistent).nonzero()[0]]
        if len(rows) > 1:
            # One of twenty sound spectra is below 0.05; these are too many for that.
            print(
                f"together, at 5 % for all of them: {len(bad)} of {len(rows)} spectra "
                f"inconsistent{': ' if bad else ''}{', '.join(bad)}"
            )


def _eis_drt(options):
    import csv

    import jax
    import numpy as np

    from battprob import eis

    rows = []
    spectra = _read(options)
    posteriors = eis.fit_spectra(eis.DRT(), spectra, key=jax.random.key(0))
    for spectrum, found in zip(spectra, posteriors, strict=True):
        ohm = found.r_inf_ohm
        print(f"{spectrum.name}: R∞ = {float(ohm.mean):.4g} ± {float(ohm.std):.2g} Ω")
        print(found.peaks())
        low, high = found.band_s
        tau = np.geomspace(low, high, 200)
        pred = found.predict(tau)
        columns = [np.asarray(a) for a in (pred.mean, *pred.interval(0.9))]
        rows += [
            [spectrum.name, *map(float, row)] for row in zip(tau, *columns, strict=True)
        ]
    if options.output is not None:
        with open(options.output, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(
                ["spectrum", "tau (s)", "gamma (ohm)", "5 % (ohm)", "95 % (ohm)"]
            )
            writer.writerows(rows)
        print(f"{len(rows)} rows in {options.output}")
