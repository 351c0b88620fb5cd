"""Names that cyclers give to their columns, and the quantity that each name means.

A name is compared without unit, case, blanks and punctuation: `Test_Time (s)`,
`test_time_second` and `Test Time / s` are all `testtime`. Within a quantity the names
are in order of preference: the first that a table has is used.
"""

import re
import unicodedata
from typing import NamedTuple


class Quantity(NamedTuple):
    """A quantity of a log.

    Args:
        dimension: base unit of the values here (`s`, `V`, `A`, `Ah`, `Wh`, `ohm`,
            `degC`), `1` for a number without unit, `text` or `date`.
        names: names of columns, in order of preference.
    """

    dimension: str
    names: tuple[str, ...]


QUANTITIES: dict[str, Quantity] = {
    "time_s": Quantity("s", (
        "testtime", "totaltime", "cumulativetime", "runtime", "elapsedtime", "timeelapsed", "progtime",
        "programtime", "testtimetotal", "totaltesttime", "runningtime", "test",
        "time", "seconds", "secs", "minutes", "mins", "hours", "t", "timestamp",
        "测试时间", "总时间", "累计时间", "时间", "programmdauer", "testzeit", "testdauer",
        "gesamtzeit", "laufzeit", "prüfzeit", "zeit", "temps", "tempsécoulé", "tempstotal",
        "duréetotale")),
    "step_time_s": Quantity("s", (
        "steptime", "step", "relativetime", "recordtime", "tstep", "timeinstep", "stepduration",
        "工步时间", "步骤时间", "相对时间", "schrittdauer", "schrittzeit")),
    "unix_time_s": Quantity("date", (
        "unixtime", "unixtimestamp", "epochtime", "epoch", "posixtime", "absolutetime",
        "abstime", "datetime", "dateandtime", "datetimeutc", "datetimeiso",
        "dpttime", "datapointtime", "realtime", "systime", "systemtime", "timestamp",
        "timedate", "timestampepoch", "walltime", "wallclock", "datestamp", "datenum",
        "date", "绝对时间", "系统时间", "测试日期", "日期", "datum", "datumzeit",
        "datumuhrzeit", "zeitstempel", "dateheure", "horodatage")),
    "voltage_v": Quantity("V", (
        "voltage", "volts", "volt", "cellvoltage", "ecell", "vcell", "ucell",
        "terminalvoltage", "batteryvoltage", "packvoltage", "voltagemeasured",
        "measuredvoltage", "potential", "ewe", "eweece", "workingelectrode",
        "we1potential", "volatge", "spannung", "zellspannung", "klemmenspannung", "tension",
        "tensioncellule", "u", "v", "mv", "e", "vf", "电压")),
    "current_a": Quantity("A", (
        "current", "amps", "amp", "amperes", "cur", "cellcurrent", "batterycurrent",
        "packcurrent", "icell", "currentmeasured", "measuredcurrent", "i",
        "we1current", "ma", "a", "mamps", "milliamps", "strom", "zellstrom", "stromstärke",
        "courant", "intensité", "im", "电流")),
    "charge_increment_ah": Quantity("Ah", ("dq",)),
    "step_charge_ah": Quantity("Ah", ("dqstep",)),
    "net_charge_ah": Quantity("Ah", ("qqo", "cumulativecharge", "netcapacity")),
    "charge_capacity_ah": Quantity("Ah", (
        "chargecapacity", "chargingcapacity", "chgcapacity", "chargecap", "chgcap",
        "capacitycharge", "capacitychg", "capchg", "capacitycha", "ahcyccharge",
        "ahcha", "ahcharge", "ahchg", "chargeah", "capacityofcharge", "qcharge",
        "qchg", "qc", "capc", "充电容量", "chargetotal", "ladekapazität", "lademenge", "ahlad",
        "capacitédecharge", "capacitécharge")),
    "discharge_capacity_ah": Quantity("Ah", (
        "dischargecapacity", "dischargingcapacity", "dchgcapacity", "dischargecap",
        "dchgcap", "dischgcap", "dischgcapacity", "capacitydischarge", "capacitydchg",
        "capacitydch", "capdchg", "capacitydis", "ahcycdischarge", "ahdch",
        "ahdischarge", "ahdchg", "dischargeah", "capacityofdischarge", "qdischarge",
        "qdchg", "qdis", "qd", "capd", "放电容量", "discharge", "entladekapazität",
        "entlademenge", "ahela", "ahent", "capacitédedécharge", "capacitédécharge")),
    "capacity_ah": Quantity("Ah", (
        "capacity", "amphr", "ahstep", "amphrs", "amphour", "amphours", "amperehours",
        "mamphr", "mamphrs", "ah", "mah", "cap", "stepcapacity", "ahaccu", "charge",
        "q", "coulombcount", "cellcoulombcount", "容量", "ahakku", "kapazität", "ladung",
        "ladungsmenge", "capacité")),
    "charge_energy_wh": Quantity("Wh", (
        "chargeenergy", "chargingenergy", "chgenergy", "energycharge", "energychg",
        "engychg", "whcyccharge", "whcha", "whcharge", "energywecharge",
        "chargecapacity", "充电能量")),
    "discharge_energy_wh": Quantity("Wh", (
        "dischargeenergy", "dischargingenergy", "dchgenergy", "dischgenergy",
        "energydischarge", "energydchg", "engydchg", "whcycdischarge", "whdch",
        "whdischarge", "energywedischarge", "dischargecapacity", "放电能量")),
    "energy_wh": Quantity("Wh", (
        "energy", "watthr", "watthrs", "watthour", "mwatthr", "whstep", "wh", "engy",
        "能量")),
    "power_w": Quantity("W", ("power", "p", "watt", "watts", "功率")),
    "temperature_c": Quantity("degC", (
        "celltemperature", "celltemp", "tcell", "surfacetemperature",
        "batterytemperature", "temperaturemeasured", "t1", "temp1", "temperature1",
        "temperaturet1", "surfacetemperaturet1", "auxtemperature1", "auxtemperature", "auxtemp", "temperature",
        "temp", "t", "temperaturecelsius", "ambienttemperature",
        "environmenttemperature", "chambertemperature", "oventemperature",
        "circuittemperature", "tambient", "温度", "temperatur", "zelltemperatur",
        "température")),
    "resistance_ohm": Quantity("ohm", (
        "internalresistance", "ir", "dcir", "dcinternalresistance", "resistance",
        "acimp", "acimpedance", "acimpedence", "rdc", "内阻")),
    "cycle": Quantity("1", (
        "cyclenumber", "cyclecount", "cycleindex", "cyclec", "cycle", "cycleno",
        "cyclenum", "cycles", "cyccount", "cyc", "cycno", "cycleid", "cyclenr",
        "totalcycle", "cycledimensionless", "cyclep", "循环号", "循环序号", "循环数",
        "循环", "zyklus", "zyklusnummer", "zyklusnr", "zyklen", "zykluszahl",
        "nocycle", "numérodecycle")),
    "half_cycle": Quantity("1", ("halfcycle", "halfcyclenumber", "halfcyclecount")),
    "step": Quantity("1", (
        "stepcount", "stepnumber", "stepindex", "step", "stepno", "stepid", "stepnum",
        "ns", "sequence", "line", "工步序号", "工步号", "工步", "schritt", "schrittnummer",
        "schrittnr", "étape")),
    "state": Quantity("text", (
        "state", "steptype", "stepstate", "md", "mode", "status", "stepname",
        "command", "instructionname", "stepmode", "type", "工步类型", "工步状态",
        "状态", "工作模式", "zustand")),
}  # fmt: skip

# Names that are a unit at the same time.
IMPLIED_UNITS = {
    "seconds": "s", "secs": "s", "minutes": "min", "mins": "min", "hours": "h",
    "volts": "V", "volt": "V", "amps": "A", "amp": "A", "amperes": "A", "mamps": "mA", "ma": "mA", "a": "A", "mv": "mV",
    "milliamps": "mA", "amphr": "Ah", "amphrs": "Ah", "amphour": "Ah",
    "amphours": "Ah", "amperehours": "Ah", "mamphr": "mAh", "mamphrs": "mAh",
    "ah": "Ah", "mah": "mAh", "ahstep": "Ah", "ahcyccharge": "Ah", "ahaccu": "Ah",
    "ahcycdischarge": "Ah", "ahcha": "Ah", "ahdch": "Ah", "ahcharge": "Ah",
    "ahlad": "Ah", "ahela": "Ah", "ahent": "Ah", "ahakku": "Ah",
    "ahdischarge": "Ah", "ahchg": "Ah", "ahdchg": "Ah", "chargeah": "Ah",
    "dischargeah": "Ah", "watthr": "Wh", "watthrs": "Wh", "watthour": "Wh",
    "mwatthr": "mWh", "whstep": "Wh", "wh": "Wh", "whcyccharge": "Wh",
    "whcycdischarge": "Wh", "whcha": "Wh", "whdch": "Wh", "whcharge": "Wh",
    "whdischarge": "Wh", "watt": "W", "watts": "W", "unixtime": "s",
}  # fmt: skip

# Names too short or too general to be recognised without a unit of the dimension.
NEED_UNIT = {
    ("time_s", "test"), ("step_time_s", "step"), ("time_s", "timestamp"),
    ("voltage_v", "e"), ("capacity_ah", "charge"),
    ("capacity_ah", "q"), ("power_w", "p"), ("charge_energy_wh", "chargecapacity"),
    ("discharge_energy_wh", "dischargecapacity"), ("capacity_ah", "cap"),
    ("charge_capacity_ah", "qc"), ("discharge_capacity_ah", "qd"),
    ("charge_capacity_ah", "chargetotal"), ("temperature_c", "t"),
    ("discharge_capacity_ah", "discharge"),
    ("voltage_v", "tension"), ("time_s", "temps"), ("capacity_ah", "ladung"),
}  # fmt: skip


def name_key(name: str) -> str:
    """A name without case, blanks and punctuation; empty for a modulus (`|Ewe|`).

    EC-Lab distinguishes `dq` (charge since the previous row) from `dQ` (since the start
    of the step) by case alone.

    Example:
        >>> name_key("~Test_Time"), name_key("<Ewe>"), name_key("dQ"), name_key("dq")
        ('testtime', 'ewe', 'dqstep', 'dq')
    """
    name = unicodedata.normalize("NFKC", name).strip()
    if "|" in name:
        return ""
    if name in ("dQ", "DQ"):
        return "dqstep"
    return re.sub(r"[\W_]", "", name.lower())
