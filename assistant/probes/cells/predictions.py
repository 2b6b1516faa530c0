"""Cell `predictions`: what a model answers for a batch, in numbers."""


def assistant_names():  # right of each "=": your names
    return dict(model=model, batch=images)


def assistant_look(model, batch):
    import torch

    batch = batch[0] if isinstance(batch, (tuple, list)) else batch  # (images, labels)
    modes = [(part, part.training) for part in model.modules()]
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    weights = list(model.parameters())
    place, kind = weights[0].device, weights[0].dtype
    batch = torch.as_tensor(batch)[:16].detach().clone().to(place, kind)
    random = torch.random.fork_rng([place] if place.type == "cuda" else [])
    with torch.no_grad(), random:
        try:
            model.eval()
            scores = model(batch)
        finally:  # each part as it was before
            for part, mode in modes:
                part.training = mode
            for buffer, before in buffers:
                buffer.copy_(before)
    scores = scores["out"] if isinstance(scores, dict) else getattr(scores, "logits", scores)
    scores = (scores[0] if isinstance(scores, (tuple, list)) else scores).float().cpu()
    scores = scores[:, None] if scores.ndim == 1 else scores
    scores = scores[:4] if scores.ndim > 2 else scores  # masks are large
    sums = bool((scores >= 0).all() and ((scores.sum(1) - 1).abs() < 1e-3).all())
    chances = scores if sums else scores.softmax(1)
    guesses, counts = scores.argmax(1).unique(return_counts=True)
    found = {"low": scores.min(), "high": scores.max(), "share": counts.max() / counts.sum()}
    found["nan"] = 1 - scores.isfinite().float().mean()
    found["nan_batch"] = 1 - batch.isfinite().float().mean()
    found["nan_weights"] = sum((~weight.isfinite()).sum().cpu() for weight in weights)
    found["entropy"] = -(chances * chances.clamp_min(1e-9).log()).sum(1).mean()
    found["spread"] = (scores - scores[:1]).abs().max()
    found["spread_batch"] = (batch - batch[:1]).abs().max()
    found = {name: number.item() for name, number in found.items()}
    found.update(shape=list(scores.shape), sums_to_one=sums, guessed=len(guesses))
    return found
