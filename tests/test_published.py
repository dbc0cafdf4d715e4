"""Weights that come from elsewhere: one pinned revision, safetensors only, and one sentence when they cannot be got."""

from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch

from explorer import checkpoints, cli, foreign, models
from explorer.analysis import sampling
from explorer.models import ddpm
from explorer.text import Problem
from explorer.training import check_sizes, make_recipe

CHANNELS = (32, 32, 32, 32)


@pytest.fixture(autouse=True)
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path / "checkpoints"))
    return tmp_path / "checkpoints"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small net as the Hub would hold it, at the place of the published one."""
    small = models.MODELS["ddpm-published"]
    monkeypatch.setattr(ddpm.Published.__init__, "__defaults__", (CHANNELS,))
    folder = tmp_path / "hub"
    torch.manual_seed(3)
    ddpm.Published(10).net.save_pretrained(folder)
    real = diffusers.UNet2DModel.from_pretrained

    def local(repository: str, **options: object) -> diffusers.UNet2DModel:
        assert (repository, options["revision"]) == small.weights and options["use_safetensors"] is True
        return real(folder, use_safetensors=True)

    monkeypatch.setattr(diffusers.UNet2DModel, "from_pretrained", local)
    return folder


def test_what_the_hub_holds_becomes_a_checkpoint_that_draws(hub: Path) -> None:
    card = foreign.import_published("ddpm-published")
    loaded = checkpoints.load("ddpm-published", "cpu")
    theirs = diffusers.UNet2DModel.from_pretrained(*models.MODELS["ddpm-published"].weights[:1],
        revision=models.MODELS["ddpm-published"].weights[1], use_safetensors=True)  # fmt: skip
    for key, value in theirs.state_dict().items():
        assert torch.equal(loaded.model.net.state_dict()[key], value), key
    assert card.task == "diffusion" and card.recipe["revision"] == models.MODELS["ddpm-published"].weights[1]
    found = sampling.draw(loaded, [0, 1], **sampling.options_for(loaded, steps=2))
    assert found.images.shape == (2, 3, 32, 32) and found.labels.tolist() == [-1, -1]
    with pytest.raises(Problem, match="without labels"):
        sampling.draw(loaded, [0], wanted=3)
    with pytest.raises(Problem, match="already"):
        foreign.import_published("ddpm-published")


def test_without_safetensors_nothing_is_read_or_written(hub: Path, registry: Path) -> None:
    (hub / "diffusion_pytorch_model.safetensors").rename(hub / "diffusion_pytorch_model.bin")
    with pytest.raises(Problem, match="safetensors only"):
        foreign.import_published("ddpm-published")
    assert not registry.exists()


def test_without_a_network_it_is_one_sentence(
    registry: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    code = cli.main(["import-published", "ddpm-published"])
    said = capsys.readouterr().err
    assert code == 1 and "could not be got" in said and "Traceback" not in said
    assert not registry.exists()


def test_a_net_of_ours_has_nothing_to_get() -> None:
    with pytest.raises(Problem, match="trained here"):
        foreign.import_published("ddpm")


def test_it_is_not_trained_here() -> None:
    with pytest.raises(Problem, match="import-published"):
        check_sizes(make_recipe("ddpm"), "ddpm-published")


def test_the_schedule_is_the_paper_s() -> None:
    scheduler = ddpm.make_scheduler("ddpm", 1000, "eps", ddpm.Published.betas)
    assert np.allclose(scheduler.betas, np.linspace(1e-4, 0.02, 1000))
