"""Cell `labels`: which labels there are, beside the number of outputs of the model."""


def check_labels(labels=labels, model=model):  # your names right of each "="; model: or its classes
    import json

    import numpy
    import torch

    if not torch.is_tensor(labels):
        labels = torch.as_tensor(numpy.array(labels))
    values, counts = torch.unique(labels.detach().cpu(), return_counts=True)
    found = {
        "dtype": str(labels.dtype),
        "shape": list(labels.shape),
        "distinct": len(values),
        "values": values[:20].tolist(),
        "low": values.min().item(),
        "high": values.max().item(),
        "most": values[counts.argmax()].item(),
        "share": counts.max().item() / labels.numel(),
    }
    if isinstance(model, int):
        found["outputs"] = model
    else:
        for name, layer in model.named_modules():  # the last layer that counts its outputs
            outputs = getattr(layer, "out_features", getattr(layer, "out_channels", None))
            if isinstance(outputs, int) and "aux" not in name:
                found.update(layer=name, outputs=outputs)
    print(json.dumps({"assistant_probe": 1, "rows": {"labels": found}}))


check_labels()
del check_labels
