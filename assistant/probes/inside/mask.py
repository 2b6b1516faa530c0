"""Row `mask`, inside a target: a predicted and a true mask, and how often which values meet.

It needs NumPy, and PIL for pictures; arrays are never unpickled. Besides the masks as they are it
tries other readings of the prediction (as scores, mirrored) and counts those too. Refuses to judge.
"""

import importlib
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from assistant.probes.inside.picture import PICTURE_FORMATS
    from assistant.probes.inside.picture_header import (
        load_array,
        pixels_of,
        read_picture_header,
    )
    from assistant.probes.inside.shared import Document, guarded

MOST_MASK_PIXELS, MOST_MASK_BYTES = 20_000_000, 512 << 20
MOST_MASK_VALUES, MOST_VALUES_TOLD = 40, 24


def collect_mask(order: "Mapping[str, Any]") -> "Document":
    """Both masks, and the counts of pairs of values for each reading of the prediction."""
    parameters = order["parameters"]
    predicted = guarded(partial(read_mask, str(parameters["predicted"])))
    target = guarded(partial(read_mask, str(parameters["target"])))
    arrays = predicted.pop("array", None), target.pop("array", None)
    missing = any(array is None for array in arrays)
    readings = {} if missing else guarded(partial(compare_masks, *arrays))
    return {"predicted": predicted, "target": target, "readings": readings}


def read_mask(path: str) -> "Document":
    """One mask: how it is stored, and its values. Raises what NumPy or PIL raise."""
    numpy = importlib.import_module("numpy")
    header = read_picture_header(path)
    if header["format"] == "NPY":
        stored = load_array(path, header, MOST_MASK_BYTES)
        mode = "array"
    else:
        stored, mode = load_mask_picture(path, header)
    if stored.dtype.kind not in "biuf":
        raise ValueError(f"the values are no numbers ({stored.dtype})")
    found = {"path": path, "format": header["format"], "mode": mode, "dtype": str(stored.dtype)}
    found["shape"] = [int(n) for n in stored.shape]
    array = flatten_channels(numpy, numpy.squeeze(numpy.asarray(stored)))
    return dict(found, array=array, **describe_values(numpy, array))


def load_mask_picture(path: str, header: "Document") -> "tuple[Any, str]":
    """A picture as it is stored: the numbers of a palette, not its colours."""
    numpy = importlib.import_module("numpy")
    image_module = importlib.import_module("PIL.Image")
    if pixels_of(header) > MOST_MASK_PIXELS:
        raise ValueError("the picture has more pixels than this check decodes")
    with image_module.open(path, formats=PICTURE_FORMATS) as image:
        if image.size[0] * image.size[1] > MOST_MASK_PIXELS:
            raise ValueError("the picture has more pixels than this check decodes")
        return numpy.array(image), str(image.mode)


def flatten_channels(numpy: "Any", array: "Any") -> "Any":
    """Three equal channels are one; an alpha channel does not count."""
    has_alpha = array.ndim == 3 and array.shape[2] in (2, 4) and array.dtype == "uint8"
    if has_alpha and array.shape[0] > 4:
        array = array[:, :, : array.shape[2] - 1]
    if array.ndim == 3 and array.shape[2] == 1:
        return array[:, :, 0]
    if array.ndim == 3 and array.shape[2] == 3 and array.shape[0] > 4:
        same = (array[:, :, 0] == array[:, :, 1]).all() and (array[:, :, 1] == array[:, :, 2]).all()
        return array[:, :, 0] if same else array
    return array


def describe_values(numpy: "Any", array: "Any") -> "Document":
    """How many different values there are, the most frequent, smallest and largest."""
    if not array.size:
        return {"distinct": 0, "values": []}
    values, counts = numpy.unique(array, return_counts=True)
    order = numpy.argsort(-counts)[:MOST_VALUES_TOLD]
    return {
        "pixels": int(array.size),
        "distinct": len(values),
        "low": float(values[0]),
        "high": float(values[-1]),
        "values": [[float(values[n]), int(counts[n])] for n in order],
        "whole_numbers": bool((values.astype(float) % 1 == 0).all()),
        "colors": count_colors(numpy, array) if array.ndim == 3 else None,
    }


def count_colors(numpy: "Any", array: "Any") -> "int | None":
    """Different colours of a picture with three channels."""
    if array.shape[2] != 3 or array.dtype != numpy.uint8:
        return None
    packed = (array.astype(numpy.uint32) * numpy.array([65536, 256, 1], numpy.uint32)).sum(axis=2)
    return len(numpy.unique(packed))


def compare_masks(predicted: "Any", target: "Any") -> "Document":
    """Counts of pairs for each reading that has the size of the target."""
    numpy = importlib.import_module("numpy")
    if predicted.shape == target.shape and target.ndim > 2 and target.shape[-1] > 4:
        predicted, target = (a.reshape(-1, a.shape[-1]) for a in (predicted, target))
    truth = encode_values(numpy, target) if target.ndim == 2 else None
    found: Document = {}
    if truth is None:
        return found
    for name, values, places in iter_readings(numpy, predicted):
        if places.shape == target.shape:
            found[name] = count_pairs(numpy, (values, places), truth)
    return found


def encode_values(numpy: "Any", array: "Any") -> "tuple[Any, Any] | None":
    """The different values, and for each pixel the number of its value; None for too many."""
    values, places = numpy.unique(array, return_inverse=True)
    return (values, places.reshape(array.shape)) if len(values) <= MOST_MASK_VALUES else None


def iter_readings(numpy: "Any", array: "Any") -> "Iterator[tuple[str, Any, Any]]":
    """The prediction as it is, as scores of one or of several classes, and turned around."""
    if array.ndim == 3:
        axis = 0 if array.shape[0] < array.shape[2] else 2
        yield "argmax", numpy.arange(array.shape[axis]), array.argmax(axis=axis)
    if array.ndim != 2:
        return
    encoded = encode_values(numpy, array)
    if encoded is not None:
        values, places = encoded
        yield "as it is", values, places
        yield "mirrored", values, places[:, ::-1]
        yield "upside down", values, places[::-1]
        yield "transposed", values, places.T
    if numpy.issubdtype(array.dtype, numpy.floating):
        for limit in ("0", "0.5"):
            yield "above " + limit, numpy.arange(2), (array > float(limit)).astype(int)


def count_pairs(
    numpy: "Any", predicted: "tuple[Any, Any]", target: "tuple[Any, Any]"
) -> "list[list[float]]":
    """[predicted value, true value, pixels] for each pair that occurs."""
    (ours, our_places), (theirs, their_places) = predicted, target
    codes = our_places.reshape(-1) * len(theirs) + their_places.reshape(-1)
    counts = numpy.bincount(codes, minlength=len(ours) * len(theirs))
    return [
        [float(ours[code // len(theirs)]), float(theirs[code % len(theirs)]), int(count)]
        for code, count in enumerate(counts)
        if count
    ]
