"""Cell `prompts`: whether the prompts of a SAM predictor fit its picture."""


def assistant_names():  # right of each "=": your names, or None; image: what set_image was given
    return dict(
        predictor=predictor, image=image, points=point_coords, labels=point_labels, box=None
    )


def assistant_look(predictor, image, points, labels, box):
    import numpy

    def describe(value):
        array = numpy.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
        found = {"kind": type(value).__name__, "dtype": str(array.dtype)}
        found["shape"] = list(array.shape)
        if array.size:
            found["low"], found["high"] = float(array.min()), float(array.max())
        if array.size in range(2, 4001, 2):  # pairs of x and y
            pairs = array.reshape(-1, 2)
            found["least"], found["most"] = pairs.min(0).tolist(), pairs.max(0).tolist()
            found["first"], found["last"] = pairs[0].tolist(), pairs[-1].tolist()
        return found

    size = getattr(predictor, "original_size", getattr(predictor, "_orig_hw", None))
    given = {"image": image, "points": points, "labels": labels, "box": box}
    found = {name: describe(value) for name, value in given.items() if value is not None}
    found["set"] = bool(getattr(predictor, "is_image_set", size))
    found["size"] = numpy.ravel(size if size is not None else []).tolist()
    return found
