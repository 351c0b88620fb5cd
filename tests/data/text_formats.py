"""One small invented file of every text format: `LOGS` and `SPECTRA` by name.

Every log has three cycles of a charge, a rest, a discharge and a rest, with discharge
capacities `CAPACITY_AH` and the currents that give them. Every spectrum is the same one
of 13 points, R0 + R1/(1 + iωτ).
"""

import numpy as np

CAPACITY_AH = (2.0, 1.98, 1.96)
_STATES = {"C": "Charge", "D": "Discharge", "R": "Rest"}


def _rows():
    """Rows of the log: dictionaries of one record each, in the units of the names."""
    rows, clock = [], 0.0
    for cycle, capacity in enumerate(CAPACITY_AH, start=1):
        for step, (state, sign, hours) in enumerate(
            (("C", 1, 1.0), ("R", 0, 0.25), ("D", -1, 1.0), ("R", 0, 0.25)), start=1
        ):
            # The first row of a step repeats the time of the last row of the step before.
            for fraction in np.linspace(0, 1, 9):
                done = capacity * fraction if sign else 0.0
                passed = {
                    "C": (done, 0.0),
                    "D": (capacity, done),
                    "R": (capacity, capacity if step == 4 else 0.0),
                }[state]
                charge = capacity * fraction if state == "C" else capacity - passed[1]
                rows.append(
                    {
                        "time": clock + 3600 * hours * fraction,
                        "step_time": 3600 * hours * fraction,
                        "cycle": cycle,
                        "step": 4 * (cycle - 1) + step,
                        "state": state,
                        "current": sign * capacity,
                        "voltage": 3.2 + 0.4 * charge + 0.05 * sign,
                        "charge": passed[0],
                        "discharge": passed[1],
                        "step_charge": done,
                    }
                )
            clock += 3600 * hours
    return rows


ROWS = _rows()


def _table(header, separator, record, end="\n"):
    lines = [separator.join(header)]
    lines += [separator.join(str(value) for value in record(row)) for row in ROWS]
    return end.join(lines) + end


def _clock(seconds):
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes // 60):02d}:{int(minutes % 60):02d}:{rest:06.3f}"


def _comma(number):
    return f"{number:.7E}".replace(".", ",")


def _bdf():
    header = "Test Time / s,Voltage / V,Current / A,Cycle Count / 1,Step Count / 1"
    return _table(
        header.split(","),
        ",",
        lambda r: (r["time"], r["voltage"], r["current"], r["cycle"], r["step"]),
    )


def _battery_archive():
    header = (
        "Date_Time,Test_Time (s),Cycle_Index,Current (A),Voltage (V),"
        "Charge_Capacity (Ah),Discharge_Capacity (Ah),Cell_Temperature (C)"
    )
    return _table(
        header.split(","),
        ",",
        lambda r: (
            "",
            r["time"],
            float(r["cycle"]),
            r["current"],
            r["voltage"],
            r["charge"],
            r["discharge"],
            "",
        ),
    )


def _arbin():
    header = (
        "Data_Point,Test_Time,DateTime,Step_Time,Step_Index,Cycle_Index,Current,"
        "Voltage,Charge_Capacity,Discharge_Capacity"
    )
    return _table(
        header.split(","),
        ",",
        lambda r: (
            1 + ROWS.index(r),
            r["time"],
            1.5e9 + r["time"],
            r["step_time"],
            r["step"],
            r["cycle"],
            r["current"],
            r["voltage"],
            r["charge"],
            r["discharge"],
        ),
    )


def _maccor():
    head = "Today's Date 01/02/2030  Date of Test:\t01/01/2030\t Filename:\tC:\\x.001\n"
    header = (
        "Rec# Cyc# Step Test_(Sec) Step_(Sec) Amp-hr Watt-hr Amps Volts State ES "
        "DPt_Time"
    )
    return head + _table(
        [name.replace("_", " ") for name in header.split()],
        "\t",
        lambda r: (
            1 + ROWS.index(r),
            r["cycle"],
            r["step"],
            f"{r['time']:.4f}",
            f"{r['step_time']:.4f}",
            f"{r['step_charge']:.8f}",
            0.0,
            abs(r["current"]),
            f"{r['voltage']:.6f}",
            r["state"],
            1,
            f"01/01/2030 {_clock(r['time'])[:8]}",
        ),
    )


def _basytec():
    head = (
        "~Resultfile from Basytec Battery Test System\n~\n~Name of Test: test\n"
        "~Start of Test: 01.01.2030 00:00:00\n~\n~"
    )
    header = (
        "Time[s] DataSet t-Step[s] Line Command U[V] I[A] Ah[Ah] Ah-Cyc-Charge "
        "Ah-Cyc-Discharge Ah-Step Cyc-Count State"
    )
    return head + _table(
        header.split(),
        "\t",
        lambda r: (
            r["time"],
            1,
            r["step_time"],
            r["step"],
            {"C": "Charge", "D": "Discharge", "R": "Pause"}[r["state"]],
            r["voltage"],
            r["current"],
            r["charge"] - r["discharge"],
            r["charge"],
            r["discharge"],
            r["step_charge"],
            r["cycle"],
            1,
        ),
    )


def _novonix():
    head = (
        "[Summary]\nNovonix UHPC data file\nNovonix\nChannel: 01\nMass (g): 1.000\n"
        "Capacity (Ah): 2\n[End Summary]\n[Data]\n"
    )
    header = (
        "Date and Time,Cycle Number,Step Type,Run Time (h),Step Time (h),Current (A),"
        "Potential (V),Capacity (Ah),Temperature (°C)"
    )
    return head + _table(
        header.split(","),
        ",",
        lambda r: (
            f"2030-01-01 {_clock(r['time'])[:8]}",
            r["cycle"],
            {"C": 1, "D": 2, "R": 0}[r["state"]],
            r["time"] / 3600,
            r["step_time"] / 3600,
            r["current"],
            r["voltage"],
            r["step_charge"],
            25.0,
        ),
    )


def _neware():
    header = (
        "DataPoint,Cycle Index,Step Index,Step Type,Time,Total Time,Current(mA),"
        "Voltage(V),Capacity(mAh),Chg. Cap.(mAh),DChg. Cap.(mAh)"
    )
    return _table(
        header.split(","),
        ",",
        lambda r: (
            1 + ROWS.index(r),
            r["cycle"],
            r["step"],
            {"C": "CC Chg", "D": "CC DChg", "R": "Rest"}[r["state"]],
            _clock(r["step_time"]),
            _clock(r["time"]),
            1000 * r["current"],
            r["voltage"],
            1000 * r["step_charge"],
            1000 * r["step_charge"] * (r["state"] == "C"),
            1000 * r["step_charge"] * (r["state"] == "D"),
        ),
    )


def _neware_layers():
    lines = [
        "Cycle Index,Chg. Cap.(Ah),DChg. Cap.(Ah)",
        ",Step Index,Step Number,Step Type,Step Time,Capacity(Ah)",
        ",,DataPoint,Time,Total Time,Current(A),Voltage(V),Capacity(Ah)",
    ]
    cycle = step = None
    for point, r in enumerate(ROWS, start=1):
        if r["cycle"] != cycle:
            cycle = r["cycle"]
            lines.append(f"{cycle},{CAPACITY_AH[cycle - 1]},{CAPACITY_AH[cycle - 1]}")
        if r["step"] != step:
            step = r["step"]
            kind = {"C": "CC Chg", "D": "CC DChg", "R": "Rest"}[r["state"]]
            total = r["step_charge"] if r["state"] == "R" else CAPACITY_AH[cycle - 1]
            lines.append(f",{step},{step},{kind},01:00:00,{total}")
        times = f"{_clock(r['step_time'])},{_clock(r['time'])}"
        lines.append(
            f",,{point},{times},{r['current']},{r['voltage']},{r['step_charge']}"
        )
    return "\n".join(lines) + "\n"


def _ec_lab():
    names = (
        "mode,ox/red,error,control changes,Ns changes,counter inc.,Ns,time/s,dq/mA.h,"
        "(Q-Qo)/mA.h,Ewe/V,I/mA,half cycle,cycle number"
    )
    header = names.split(",")
    settings = ["Galvanostatic Cycling with Potential Limitation", "", "User : "]
    head = ["EC-Lab ASCII FILE", f"Nb header lines : {len(settings) + 3}", *settings]
    charges = [r["charge"] - r["discharge"] for r in ROWS]
    steps = np.diff(charges, prepend=charges[0])

    def record(r):
        row = ROWS.index(r)
        return (
            1,
            int(r["current"] > 0),
            0,
            0,
            0,
            0,
            r["step"],
            _comma(r["time"]),
            _comma(1000 * steps[row]),
            _comma(1000 * charges[row]),
            _comma(r["voltage"]),
            _comma(1000 * r["current"]),
            2 * (r["cycle"] - 1) + int(r["step"] % 4 in (3, 0)),
            _comma(r["cycle"]),
        )

    return "\n".join(head) + "\n" + _table(header, "\t", record)


def _plain():
    header = ["Time (s)", "Voltage (V)", "Current (A)", "Cycle"]
    text = _table(
        header,
        ";",
        lambda r: (r["time"], r["voltage"], r["current"], r["cycle"]),
        end="\r\n",
    )
    return text.replace(".", ",")


LOGS = {
    "cell.bdf.csv": _bdf(),
    "battery_archive.csv": _battery_archive(),
    "arbin.csv": _arbin(),
    "maccor.001": _maccor(),
    "basytec.txt": _basytec(),
    "novonix.csv": _novonix(),
    "neware.csv": _neware(),
    "neware_layers.csv": _neware_layers(),
    "ec_lab.mpt": _ec_lab(),
    "plain.csv": _plain(),
}

FREQUENCY_HZ = np.geomspace(1e4, 1, 13)
IMPEDANCE_OHM = 1.0 + 2.0 / (1 + 2j * np.pi * FREQUENCY_HZ * 0.01)


def _spectrum(header, separator, record, head=""):
    lines = [separator.join(header)] if header else []
    for f, z in zip(FREQUENCY_HZ, IMPEDANCE_OHM, strict=True):
        lines.append(separator.join(f"{value:.8g}" for value in record(f, z)))
    return head + "\n".join(lines) + "\n"


def _gamry():
    head = "EXPLAIN\nTAG\tEISPOT\nTITLE\tLABEL\tPotentiostatic EIS\tTest &Identifier\n"
    head += "ZCURVE\tTABLE\n"
    names = ["", "Pt", "Time", "Freq", "Zreal", "Zimag", "Zmod", "Zphz"]
    units = "\t#\ts\tHz\tohm\tohm\tohm\t°\n"
    body = _spectrum(
        [],
        "\t",
        lambda f, z: (0, 1, f, z.real, z.imag, abs(z), np.degrees(np.angle(z))),
    )
    rows = "".join(f"\t{line}\n" for line in body.splitlines())
    return head + "\t".join(names) + "\n" + units + rows


def _zplot_row(f, z):
    return (f, 0, 0, 0, z.real, z.imag, 0, 0, 0)


SPECTRA = {
    "plain.csv": _spectrum(
        ["freq/Hz", "Re(Z)/Ohm", "-Im(Z)/Ohm"], ",", lambda f, z: (f, z.real, -z.imag)
    ),
    "no_header.txt": _spectrum([], "   ", lambda f, z: (f, z.real, z.imag)),
    "modulus.csv": _spectrum(
        ["f (kHz)", "|Z| (mOhm)", "Phase (deg)"],
        ";",
        lambda f, z: (f / 1e3, 1e3 * abs(z), np.degrees(np.angle(z))),
    ),
    "gamry.DTA": _gamry(),
    "zplot.z": _spectrum(
        [],
        "\t",
        _zplot_row,
        "ZPLOT2 ASCII\n  Freq(Hz)\tAmpl\tBias\tTime(Sec)\tZ'(a)\tZ''(b)\tGD\tErr\tRange\n"
        "End Comments\n",
    ),
    "ec_lab.mpt": _spectrum(
        ["freq/Hz", "Re(Z)/Ohm", "-Im(Z)/Ohm", "|Z|/Ohm", "time/s", "<Ewe>/V"],
        "\t",
        lambda f, z: (f, z.real, -z.imag, abs(z), 1.0, 3.7),
        "EC-Lab ASCII FILE\nNb header lines : 5\n\nPotentio EIS\n",
    ),
    "chi.txt": _spectrum(
        ["Freq/Hz", " Z'/ohm", ' Z"/ohm', " Z/ohm", " Phase/deg"],
        ", ",
        lambda f, z: (f, z.real, z.imag, abs(z), np.degrees(np.angle(z))),
        "Feb. 20, 2030   15:55:08\nA.C. Impedance\nInstrument Model:  CHI660E\n\n",
    ),
    "autolab.txt": _spectrum(
        ["  Freq (Hz)", "Ampl", "Bias", "Time(Sec)", "Z'(a)", "Z''(b)", "GD", "Err"],
        ",",
        lambda f, z: _zplot_row(f, z)[:8],
        '"Z60W Data File: Version 1.1"\n""\n0,2,0,1,0.1,10000\n13\n',
    ),
    "power_suite.txt": _spectrum(
        ["Frequency", " Zre", " Zimg"], "\t", lambda f, z: (f, z.real, z.imag)
    ),
    "elchemea.i2b": _spectrum(
        [],
        " ",
        lambda f, z: (f, z.real, z.imag),
        "Some metadata\nin the first\nfew lines\n\n13\n",
    ),
}
