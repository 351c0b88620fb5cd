"""`battprob eis`: circuits, relaxation times and consistency of spectra."""

from pathlib import Path

from battprob.cli.arguments import add_seed

_COLUMNS = {
    "frequency": "the frequency in Hz, or in the unit of its header",
    "real": "Re Z in ohm, or in the unit of its header",
    "imaginary": "Im Z",
    "minus-imaginary": "-Im Z",
    "modulus": "|Z|, instead of Re Z and Im Z",
    "phase": "the phase in degrees, or in the unit of its header",
}
_MOST_STATEMENTS = 20  # lines; many files have many different ones


def add(commands):
    """Add the commands on impedance spectra."""
    eis = commands.add_parser(
        "eis", help="impedance spectra: circuits, relaxation times, consistency"
    )
    kinds = eis.add_subparsers(
        dest="kind", required=True, metavar="fit|compare|check|drt"
    )
    fit = kinds.add_parser("fit", help="fit a circuit to one spectrum or many")
    _add_files(fit)
    fit.add_argument(
        "--circuit",
        required=True,
        metavar="TEXT",
        help="circuit in impedance.py's notation, for example 'R0-p(R1,CPE1)-Wo1'",
    )
    fit.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT.csv",
        help="write one row for each spectrum, with units in the header",
    )
    add_seed(fit)
    fit.set_defaults(run=_eis_fit)
    compare = kinds.add_parser("compare", help="compare circuits by evidence")
    _add_files(compare)
    compare.add_argument(
        "--circuit",
        action="append",
        metavar="TEXT",
        help="a candidate; repeat the option for more; default a short list",
    )
    add_seed(compare)
    compare.set_defaults(run=_eis_compare)
    check = kinds.add_parser("check", help="Kramers-Kronig test with a p-value")
    _add_files(check)
    check.add_argument(
        "--admittance",
        action="store_true",
        help="test 1/Z, for systems that are stable only under controlled voltage",
    )
    check.set_defaults(run=_eis_check)
    drt = kinds.add_parser(
        "drt",
        help="distribution of relaxation times: peaks, and γ(τ) with intervals",
    )
    _add_files(drt)
    drt.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT.csv",
        help="write γ with its 90 %% interval at 200 relaxation times",
    )
    add_seed(drt)
    drt.set_defaults(run=_eis_drt)


def _add_files(parser):
    """Options of all commands that read spectra; each command has its own."""
    parser.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="files of any format of spectra (.csv, .DTA, .z, .mpt, .xlsx, ...), or "
        "folders of them",
    )
    parser.add_argument(
        "--by",
        default=[],
        type=lambda text: text.split(","),
        action="extend",
        metavar="A,B,...",
        help="columns whose values distinguish the spectra of one file",
    )
    _add_columns(parser)


def _add_columns(parser):
    """Options for files whose header is not recognised or has the wrong sign."""
    for option, meaning in _COLUMNS.items():
        parser.add_argument(
            f"--{option}", metavar="COLUMN", help=f"column of {meaning}"
        )
    parser.add_argument(
        "--imaginary-sign",
        choices=("reverse", "keep"),
        help="reverse the sign of Im Z that the file gives, or accept spectra with "
        "Im Z > 0 as they are",
    )
    parser.add_argument(
        "--area-cm2",
        type=float,
        metavar="AREA",
        help="area in cm² by which values in ohm cm² are divided",
    )


def _read(options):
    """The spectra; print how their files were interpreted."""
    from battprob import eis

    spectra = eis.spectra_of_files(
        options.files,
        by=options.by,
        frequency_hz=options.frequency,
        real_ohm=options.real,
        imaginary_ohm=options.imaginary,
        minus_imaginary_ohm=options.minus_imaginary,
        modulus_ohm=options.modulus,
        phase_deg=options.phase,
        imaginary_sign=options.imaginary_sign,
        area_cm2=options.area_cm2,
    )
    lines = dict.fromkeys(line for one in spectra for line in one.statements)
    for line in list(lines)[:_MOST_STATEMENTS]:
        print(line)
    if len(lines) > _MOST_STATEMENTS:
        print(f"and {len(lines) - _MOST_STATEMENTS} further statements on the files")
    return spectra


def _eis_fit(options):
    import jax

    from battprob import eis

    circuit = eis.Circuit(options.circuit)
    spectra = _read(options)
    posteriors = eis.fit_spectra(circuit, spectra, key=jax.random.key(options.seed))
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
        comparison = eis.compare(
            options.circuit,
            spectrum.frequency_hz,
            spectrum.impedance_ohm,
            key=jax.random.key(options.seed),
        )
        print(f"{spectrum.name}\n{comparison}\n\n{comparison.best.parameters}")


def _eis_check(options):
    from battprob.eis.files import check_spectra

    spectra = _read(options)
    for rows, result in check_spectra(spectra, admittance=options.admittance):
        for index, row in enumerate(rows):
            print(f"{spectra[row].name}: {result[index]}")
        wrong = [spectra[rows[i]].name for i in (~result.consistent).nonzero()[0]]
        if len(rows) > 1:
            # One of twenty consistent spectra has p < 0.05, so the single p-values of
            # many spectra would give false alarms.
            print(
                f"together, at 5 % for all of them: {len(wrong)} of {len(rows)} "
                f"spectra inconsistent{': ' if wrong else ''}{', '.join(wrong)}"
            )


def _eis_drt(options):
    import csv

    import jax
    import numpy as np

    from battprob import eis

    rows = []
    spectra = _read(options)
    posteriors = eis.fit_spectra(eis.DRT(), spectra, key=jax.random.key(options.seed))
    for spectrum, posterior in zip(spectra, posteriors, strict=True):
        ohm = posterior.r_inf_ohm
        print(f"{spectrum.name}: R∞ = {float(ohm.mean):.4g} ± {float(ohm.std):.2g} Ω")
        print(posterior.peaks())
        low, high = posterior.band_s
        tau = np.geomspace(low, high, 200)
        pred = posterior.predict(tau)
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
