"""Standardized uptake values of PET images (PS3.3 C.8.9.1, QIBA FDG-PET/CT Profile).

SUVbw = activity concentration x body weight / injected activity, all at one time: what the scanner gives in Bq/ml is
corrected for decay to the start of the series, so the injected activity is let decay until then.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pacskit.core.dataset import Dataset
from pacskit.core.dictionary import tag_for
from pacskit.core.errors import DecodeError
from pacskit.encoding.attributes import items, missing, positive, text
from pacskit.encoding.display.modality import apply_modality_lut

__all__ = ["apply_suv", "suv_factor"]

_PHILIPS: Final = "Philips PET Private Group"
_GE: Final = "GEMS_PETD_01"
_LONGEST: Final = timedelta(days=2)  # between injection and scan


def suv_factor(ds: Dataset) -> float:
    """The factor from rescaled values of a PET image to SUVbw, in g/ml.

    Units have to be BQML, CNTS with Philips' private factors, or GML; attenuation and decay have to be corrected.
    Raises DecodeError, with the tag, for whatever is missing or makes it impossible.
    """
    units = text(ds, "Units")
    if units is None:
        raise missing("Units")
    if units == "GML":
        return 1.0
    _check_corrections(ds)
    if units == "CNTS":
        factor = _private(ds, 0x7053, _PHILIPS, 0x00)
        if factor is not None and factor > 0:
            return factor
        activity = _private(ds, 0x7053, _PHILIPS, 0x09)
        if activity is None or activity <= 0:
            raise DecodeError("counts without a factor to activity or SUV", tag=tag_for("Units"))
        return activity * _weight(ds) / _dose(ds)
    if units != "BQML":
        raise DecodeError(f"{units} is no unit that SUV can be computed from", tag=tag_for("Units"))
    return _weight(ds) / _dose(ds)


def apply_suv(arr: NDArray[Any], ds: Dataset) -> NDArray[np.float64]:
    """Turn stored values of a PET image into SUVbw."""
    return np.asarray(apply_modality_lut(arr, ds), np.float64) * suv_factor(ds)


def _check_corrections(ds: Dataset) -> None:
    value: Any = ds.get("CorrectedImage")
    done = {str(each).strip() for each in (value if isinstance(value, list | tuple) else [value])}
    for needed in ("ATTN", "DECY"):
        if needed not in done:
            raise DecodeError(f"the image is not corrected for {needed}", tag=tag_for("CorrectedImage"))


def _weight(ds: Dataset) -> float:
    """Grams."""
    found = positive(ds, "PatientWeight")
    if found is None:
        raise missing("PatientWeight")
    return found * 1000.0


def _dose(ds: Dataset) -> float:
    """The injected activity in becquerels at the time that the image is corrected to."""
    agents = items(ds, "RadiopharmaceuticalInformationSequence")
    if not agents:
        raise missing("RadiopharmaceuticalInformationSequence")
    dose = positive(agents[0], "RadionuclideTotalDose")
    if dose is None:
        raise missing("RadionuclideTotalDose")
    correction = text(ds, "DecayCorrection")
    if correction == "ADMIN":
        return dose
    if correction != "START":
        raise DecodeError("nothing says to which time decay is corrected", tag=tag_for("DecayCorrection"))
    half_life = positive(agents[0], "RadionuclideHalfLife")
    if half_life is None:
        raise missing("RadionuclideHalfLife")
    scan = _scan_start(ds)
    elapsed = scan - _injection(agents[0], scan)
    if not timedelta(0) <= elapsed <= _LONGEST:
        raise DecodeError(
            f"the scan begins {elapsed.total_seconds():g} s after the injection", tag=tag_for("DecayCorrection")
        )
    return float(dose * 2.0 ** (-elapsed.total_seconds() / half_life))


def _scan_start(ds: Dataset) -> datetime:
    """When the series began: Series Date and Time, unless they are of a later, derived series."""
    series, acquired = _moment(ds, "Series"), _moment(ds, "Acquisition")
    if series is not None and (acquired is None or series <= acquired):
        return series
    private = _private_text(ds, 0x0009, _GE, 0x0D)
    if private is not None:
        return _parse(private, "%Y%m%d%H%M%S", "SeriesTime")
    raise DecodeError("Series Time is after Acquisition Time: it is not when the scan began", tag=tag_for("SeriesTime"))


def _injection(agent: Dataset, scan: datetime) -> datetime:
    exact = text(agent, "RadiopharmaceuticalStartDateTime")
    if exact is not None:
        return _parse(exact, "%Y%m%d%H%M%S", "RadiopharmaceuticalStartDateTime")
    time = text(agent, "RadiopharmaceuticalStartTime")
    if time is None:
        raise missing("RadiopharmaceuticalStartDateTime")
    moment = _parse(scan.strftime("%Y%m%d") + time, "%Y%m%d%H%M%S", "RadiopharmaceuticalStartTime")
    return moment - timedelta(days=1) if moment > scan else moment  # injected before midnight


def _moment(ds: Dataset, kind: str) -> datetime | None:
    date, time = text(ds, f"{kind}Date"), text(ds, f"{kind}Time")
    if date is None or time is None:
        return None
    return _parse(date + time, "%Y%m%d%H%M%S", f"{kind}Time")


def _parse(value: str, form: str, keyword: str) -> datetime:
    """A moment in local time; an offset from UTC is left out, as all times of a series have the same."""
    bare = re.split("[+-]", value, maxsplit=1)[0]
    whole, _, fraction = bare.partition(".")
    try:
        moment = datetime.strptime(whole.ljust(14, "0"), form)
    except ValueError as error:
        raise DecodeError(f"{keyword} is no time", tag=tag_for(keyword)) from error
    return moment + timedelta(seconds=float("0." + fraction) if fraction.isdigit() else 0.0)


def _private_text(ds: Dataset, group: int, creator: str, element: int) -> str | None:
    try:
        value = ds.private_block(group, creator).get(element)
    except KeyError:
        return None
    found = getattr(value, "value", value)
    return None if found is None else str(found).strip() or None


def _private(ds: Dataset, group: int, creator: str, element: int) -> float | None:
    found = _private_text(ds, group, creator, element)
    try:
        return None if found is None else float(found)
    except ValueError as error:
        raise DecodeError(f"a private factor of {creator} is no number") from error
