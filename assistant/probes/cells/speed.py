"""Cell `speed`: what decides how long a training step takes."""


def check_speed(model=model, batch=images, loader=train_loader):  # your names right of each "="
    import json
    import os

    import torch

    autocast = False  # write True if your loop runs the model under torch.autocast
    weights = list(model.parameters())
    patches = [  # convolutions that cut an image into patches
        layer.kernel_size[0]
        for layer in model.modules()
        if isinstance(layer, torch.nn.Conv2d) and layer.stride == layer.kernel_size
    ]
    found = {
        "devices": [weights[0].device.type, batch.device.type],
        "dtypes": [str(weights[0].dtype), str(batch.dtype)],
        "cuda": torch.cuda.is_available(),
        "autocast": autocast or torch.is_autocast_enabled(),
        "precision": torch.get_float32_matmul_precision(),
        "compiled": hasattr(model, "_orig_mod"),
        "weights": sum(weight.numel() for weight in weights),
        "trained": sum(weight.numel() for weight in weights if weight.requires_grad),
        "shape": list(batch.shape),
        "patch": max(patches, default=0),
        "workers": getattr(loader, "num_workers", None),
        "cores": os.cpu_count(),
    }
    print(json.dumps({"assistant_probe": 1, "rows": {"speed": found}}))


check_speed()
del check_speed
