"""A package, so that `tests` is this folder: torch-fidelity brings a package of that name too."""
