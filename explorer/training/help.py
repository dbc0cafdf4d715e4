"""HELP: one sentence for every setting of any recipe: what it does, in which unit, from where to where."""

from explorer.text import N_

HELP: dict[str, str] = {
    "epochs": N_("How often every training picture is seen; 0.01 to 10,000."),
    "batch": N_("Pictures in one step, over all devices together; 2 to 100,000."),
    "optimizer": N_(
        "How gradients become steps: sgd, adam, adamw (weight decay apart from the gradient) or rmsprop."
    ),
    "lr": N_(
        "Learning rate at its highest, 0 to 100; about 0.1 for sgd, 0.001 for adam and adamw, 0.0001 for rmsprop, "
        "0.0002 for a GAN's generator."
    ),
    "momentum": N_("Share of the last step that goes on into the next, 0 to 0.9999; sgd and rmsprop only."),
    "nesterov": N_("Take the gradient as if the momentum had already moved the weights; sgd only."),
    "weight_decay": N_(
        "How strongly kernels and matrices are drawn to zero, 0 to 1: L2, with adamw a share of each step's rate."
    ),
    "norm_lr": N_("Factor on the learning rate of BatchNorm's parameters, 0 to 1,000."),
    "schedule": N_(
        "The learning rate over time: triangular (up, then straight down), cosine (up, then down a cosine), "
        "step (falls every few epochs) or constant."
    ),
    "lr_start": N_("Where triangular and cosine begin, as a share of the highest rate, 0 to 1."),
    "lr_peak": N_("When triangular and cosine are highest, as a share of all steps, 0 to 1."),
    "lr_end": N_("Where triangular and cosine end, as a share of the highest rate, 0 to 1."),
    "step_epochs": N_("Epochs between two falls of the step schedule, 1 to 10,000."),
    "gamma": N_("What the step schedule multiplies the rate with at each fall, 0 to 1."),
    "label_smoothing": N_("Share of the target spread evenly over all classes, 0 to 0.9."),
    "average": N_(
        "Which weights are kept: none (the last), ema (their moving average) or lookahead (every 5 steps the weights "
        "themselves move to an average)."
    ),
    "decay": N_(
        "Share of the old moving average (ema) of the weights that stays at each step, 0 to 1; less in the first "
        "steps, and with 0 the last weights are kept."
    ),
    "frozen_after": N_("Epochs after which fastnet's whitening bias stops learning, 0 to 1,000,000,000."),
    "flip": N_(
        "Mirror pictures: none, random (a coin every time) or alternating (one side in odd epochs, the other in even)."
    ),
    "shift": N_("Move a picture by up to so many pixels each way, 0 to 16."),
    "border": N_("What a shift leaves empty: reflect (the picture mirrored) or zero (black)."),
    "jitter": N_("Brightness, contrast and saturation by random factors from 1 - this to 1 + this, 0 to 1."),
    "randaugment": N_(
        "RandAugment: random operations on each picture (turns, shears, colours), 0 to 10 of them; 2 is usual."
    ),
    "magnitude": N_("How strong RandAugment's operations are, 0 to 30; used when randaugment is above 0."),
    "cutout": N_("Side in pixels of a square set to the mean colour, 0 to 32; 0 is none."),
    "mixup": N_(
        "Blend each picture and its label with another's: alpha of the Beta distribution of the shares, 0 to 10; "
        "0 is none."
    ),
    "cutmix": N_(
        "Put a box of another picture into each, labels by area: alpha of the Beta distribution, 0 to 10; 0 is none. "
        "With mixup too, a coin for every batch."
    ),
    "grow": N_(
        "Share of the steps on smaller pictures, first half the side, then three quarters; 0 to 1: quick, coarse steps."
    ),
    "holdout": N_("Training pictures set aside to choose and calibrate on, 0 to 1,000,000."),
    "keep": N_("Which checkpoint is kept: best (on the held-out pictures) or last."),
    "beta1": N_("Adam's memory of the gradient, 0 to 0.9999; 0.5 is usual for a GAN, 0.9 elsewhere."),
    "beta2": N_("Adam's memory of the gradient's square, 0 to 0.9999."),
    "clip": N_(
        "The largest norm of the gradient, longer ones are shortened to it, 0 to 1,000; 0 is no limit."
    ),
    "width": N_(
        "Channels of the largest maps, 16 to 1,024; the others follow. A diffusion model takes multiples of 32, or 16, "
        "48 and 80."
    ),
    "kl": N_(
        "How much the code's distance from a normal distribution counts, 0 to 100; 1 is the variational bound, less "
        "draws sharper copies and worse inventions."
    ),
    "latent": N_("Numbers of the code that a picture is squeezed into, 2 to 1,024."),
    "gan_loss": N_("What the two nets play for: bce (the first GAN's, non-saturating) or hinge."),
    "lr_ratio": N_("The discriminator's learning rate over the generator's, 0.01 to 100."),
    "d_steps": N_("Steps of the discriminator for one of the generator, 1 to 10."),
    "spectral": N_(
        "Spectral norm in the discriminator in place of BatchNorm: it keeps the game from getting away."
    ),
    "conditional": N_("Tell the net the class, of a GAN both nets: then it can be chosen what is drawn."),
    "prediction": N_(
        "What the net says of a noisy picture: v (a mix of noise and picture) or eps (the noise)."
    ),
    "betas": N_(
        "How noise grows with the level: cosine, or linear (the first DDPM's; for nets that predict eps)."
    ),
    "weighting": N_("How noise levels count: min-snr (the nearly clean ones less) or none (all alike)."),
    "label_drop": N_("Share of the pictures whose class is hidden, 0 to 1; above 0 drawing can be guided."),
    "compile": N_(
        "Let torch.compile join what it can: a tenth faster, after a minute. Needs a C++ compiler (g++)."
    ),
}
