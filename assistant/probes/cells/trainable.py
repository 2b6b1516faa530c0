"""Cell `trainable`: what of a model is trained, and whether the optimizer holds it."""


def assistant_names():  # right of each "=": your names
    return dict(model=model, optimizer=optimizer)


def assistant_look(model, optimizer):
    groups = optimizer.param_groups
    held = {id(weight) for group in groups for weight in group["params"]}

    def count(weights):  # numbers: all, trained, trained and in the optimizer
        trained = [weight for weight in weights if weight.requires_grad]
        inside = [weight for weight in trained if id(weight) in held]
        return [sum(weight.numel() for weight in part) for part in (weights, trained, inside)]

    parts = [(name, list(part.parameters())) for name, part in model.named_children()]
    rates = [max(float(group["lr"]), float(group.get("initial_lr", 0))) for group in groups]
    return {
        "training": model.training,
        "all": count(list(model.parameters())),
        "parts": [[name[:40], *count(weights)] for name, weights in parts if weights][-40:],
        "foreign": len(held - {id(weight) for weight in model.parameters()}),
        "optimizer": type(optimizer).__name__,
        "rates": rates[:20],
        "peaks": [float(group["max_lr"]) for group in groups if "max_lr" in group][:20],
    }
