"""Cell `sizes`: how often a U-Net halves an image, and whether the image can be halved so often."""


def assistant_names():  # right of each "=": your names
    return dict(model=model, batch=images)


def assistant_look(model, batch):
    batch = batch[0] if isinstance(batch, (tuple, list)) else batch  # (images, labels)
    layers = [(type(layer).__name__, layer) for layer in model.modules()]

    def first(value):  # of (2, 2) or 2
        return value[0] if isinstance(value, (tuple, list)) else value

    wide = [
        (first(layer.stride), layer.padding)
        for name, layer in layers
        if name == "Conv2d" and first(layer.kernel_size) > 1
    ]
    pools = [layer for name, layer in layers if name in ("MaxPool2d", "AvgPool2d")]
    return {
        "shape": list(batch.shape),
        "halved": len(pools) + sum(stride > 1 for stride, _ in wide),
        "doubled": sum(
            name in ("ConvTranspose2d", "Upsample", "PixelShuffle") for name, _ in layers
        ),
        "convolutions": len(wide),
        "unpadded": sum(
            stride == 1 and padding in (0, (0, 0), "valid") for stride, padding in wide
        ),
    }
