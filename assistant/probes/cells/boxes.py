"""Cell `boxes`: what a YOLO model of Ultralytics was given, and what it gave back."""


def assistant_names():  # right of each "=": your names; picture: what you gave to the model
    return dict(model=model, results=results, picture=picture)


def assistant_look(model, results, picture):
    if hasattr(results, "__next__"):
        raise TypeError("results can be read only once: call the model without stream=True")
    results = results if isinstance(results, (list, tuple)) else [results]
    used = getattr(getattr(model, "predictor", None), "args", None)
    kinds = [one.boxes if one.obb is None else one.obb for one in results]
    found = {
        "task": model.task,
        "names": [str(name)[:30] for name in results[0].names.values()][:12],
        "classes": len(results[0].names),
        "size": list(results[0].orig_shape),
        "boxes": sum(len(boxes) for boxes in kinds if boxes is not None),
        "conf": getattr(used, "conf", None),
        "imgsz": getattr(used, "imgsz", None),
        "filter": getattr(used, "classes", None),
        "kind": type(picture).__name__,
    }
    if hasattr(picture, "dtype"):  # an array or a tensor
        found["dtype"], found["shape"] = str(picture.dtype), list(picture.shape)
        found["low"], found["high"] = float(picture.min()), float(picture.max())
    return found
