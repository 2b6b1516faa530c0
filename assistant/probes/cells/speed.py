"""Cell `speed`: what decides how long a training step takes, and how far it has to go."""


def assistant_names():  # right of each "=": your names; loader may be None
    autocast = False  # True if your loop runs the model under torch.autocast
    return dict(model=model, batch=images, loader=train_loader, autocast=autocast)


def assistant_look(model, batch, loader, autocast):
    import os

    import torch

    batch = batch[0] if isinstance(batch, (tuple, list)) else batch  # (images, labels)
    batch, layers, weights = torch.as_tensor(batch), list(model.modules()), list(model.parameters())
    patches = [  # convolutions that cut an image into patches
        layer.kernel_size[0]
        for layer in layers
        if isinstance(layer, torch.nn.Conv2d) and layer.stride == layer.kernel_size
    ]
    norms = [  # a new one multiplies by 1 (or by 0); training changes that
        torch.cat([layer.weight.detach().flatten(), 1 - layer.bias.detach().flatten()])
        for layer in layers
        if type(layer).__name__.startswith(("LayerNorm", "BatchNorm", "GroupNorm"))
        and getattr(layer, "weight", None) is not None
        and getattr(layer, "bias", None) is not None
    ]
    data = getattr(loader, "dataset", None)
    return {
        "devices": [weights[0].device.type, batch.device.type],
        "dtypes": [str(weights[0].dtype), str(batch.dtype)],
        "cuda": torch.cuda.is_available(),
        "autocast": autocast or torch.is_autocast_enabled(),
        "precision": torch.get_float32_matmul_precision(),
        "compiled": hasattr(model, "_orig_mod"),
        "weights": sum(weight.numel() for weight in weights),
        "trained": sum(weight.numel() for weight in weights if weight.requires_grad),
        "norms": len(norms),
        "untouched": sum(bool(((norm == 1) | (norm == 0)).all()) for norm in norms),
        "shape": list(batch.shape),
        "patch": max(patches, default=0),
        "workers": getattr(loader, "num_workers", None),
        "examples": len(data) if hasattr(data, "__len__") else None,
        "cores": os.cpu_count(),
    }
