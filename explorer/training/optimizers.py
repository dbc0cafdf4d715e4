"""A recipe's optimiser over a net's parameters, in groups that learn and decay differently."""

from typing import Any

import torch
from torch import nn

from explorer.training.recipes import Recipe


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """torch's, with its own defaults for what a recipe does not say (Adam's betas are 0.9 and 0.999)."""
    groups = parameter_groups(model, recipe)
    if recipe.optimizer == "adam":
        return torch.optim.Adam(groups, recipe.lr)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, recipe.lr)
    if recipe.optimizer == "rmsprop":
        return torch.optim.RMSprop(groups, recipe.lr, momentum=recipe.momentum)
    nesterov = recipe.nesterov and recipe.momentum > 0
    return torch.optim.SGD(groups, recipe.lr, momentum=recipe.momentum, nesterov=nesterov)


def parameter_groups(model: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Kernels and matrices with weight decay, the rest without; BatchNorm's parameters at `norm_lr` times the rate."""
    norms = {
        id(p) for m in model.modules() if isinstance(m, nn.BatchNorm2d) for p in m.parameters(recurse=False)
    }
    groups: dict[str, list[nn.Parameter]] = {"decayed": [], "plain": [], "norm": [], "whiten": []}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if name.startswith("whiten"):
            groups["whiten"].append(parameter)
        elif id(parameter) in norms:
            groups["norm"].append(parameter)
        else:
            groups["decayed" if parameter.dim() > 1 else "plain"].append(parameter)
    return [
        {
            "params": parameters,
            "weight_decay": recipe.weight_decay if kind == "decayed" else 0.0,
            "factor": recipe.norm_lr if kind == "norm" else 1.0,
            "freezes": kind == "whiten",
        }
        for kind, parameters in groups.items()
        if parameters
    ]
