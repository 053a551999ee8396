"""What calibrators share: files that keep them, and the habits of scikit-learn's estimators."""

import copy
import io
import json
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
from backends import Backend, available

from dice_semimetric import KernelCalibrator, TemperatureScaling, VectorScaling
from dice_semimetric._lib import calibrator_file

Calibrator = KernelCalibrator | TemperatureScaling | VectorScaling
CLASSES = (TemperatureScaling, VectorScaling, KernelCalibrator)
KINDS: dict[str, Calibrator] = {
    "temperature": TemperatureScaling(),
    "vector": VectorScaling(),
    "kernel": KernelCalibrator(bandwidth=0.02, n_keys=40),
    "kernel of a chosen bandwidth": KernelCalibrator(bandwidth=None, n_keys=60, rng=3),
    "kernel, proportional": KernelCalibrator(n_keys=50, sampling="proportional"),
}
SUFFIXES = (".npz", ".safetensors")


def data(rng: np.random.Generator, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities, which serve as logits too, and labels."""
    prob = reference.softmax(rng.normal(size=(60, max(classes, 2))) * 2)
    label = rng.integers(0, max(classes, 2), 60)
    return prob[:, -classes:], label


def path_of(folder: Path, suffix: str) -> Path:
    if suffix == ".safetensors":
        pytest.importorskip("safetensors", reason="the other format needs its package")
    return folder / f"calibrator{suffix}"


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_loaded_predicts_the_same_bit_for_bit(
    rng: np.random.Generator, tmp_path: Path, kind: str, classes: int, suffix: str
) -> None:
    path = path_of(tmp_path, suffix)
    prob, label = data(rng, classes)
    for dtype in ("float16", "float32", "float64"):
        fitted = copy.copy(KINDS[kind]).fit(prob.astype(dtype), label)
        fitted.save(path)
        loaded = type(fitted).load(path)
        assert repr(loaded) == repr(fitted)
        assert loaded.n_classes_ == classes
        assert loaded.get_params() == fitted.get_params()
        for given in ("float16", "float32", "float64"):
            seen = prob.astype(given)
            expected = fitted.predict_proba(seen)
            found = loaded.predict_proba(seen)
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]  # what was there is replaced


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_loaded_predicts_on_every_library(
    every_backend: Backend, rng: np.random.Generator, tmp_path: Path, kind: str
) -> None:
    prob, label = data(rng)
    prob = prob.astype("float32")
    fitted = copy.copy(KINDS[kind]).fit(prob, label)
    fitted.save(tmp_path / "kept.npz")
    loaded = type(fitted).load(tmp_path / "kept.npz")
    expected = fitted.predict_proba(prob)
    for _ in range(2):  # the second time the keys are there already

        def predict(prob: Any) -> Any:
            return loaded.predict_proba(prob)

        found = every_backend.run(predict, prob)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(loaded.predict_proba(prob), expected)


@pytest.mark.parametrize("library", ["torch", "jax", "strict"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_another_library_fitted_is_kept(
    rng: np.random.Generator, tmp_path: Path, kind: str, library: str
) -> None:
    backend = available(library)
    prob, label = data(rng)
    prob = prob.astype("float32")
    fitted = copy.copy(KINDS[kind]).fit(backend.array(prob), backend.array(label))
    fitted.save(tmp_path / "kept.npz")
    loaded = type(fitted).load(tmp_path / "kept.npz")
    loaded.save(tmp_path / "again.npz")
    loaded = type(fitted).load(tmp_path / "again.npz")
    expected = backend.numpy(fitted.predict_proba(backend.array(prob)))
    found = backend.numpy(loaded.predict_proba(backend.array(prob)))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(loaded.predict_proba(prob), expected, rtol=1e-5, atol=1e-6)


def test_bfloat16_keys_are_kept(rng: np.random.Generator, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    prob, label = (torch.tensor(array) for array in data(rng))
    fitted = KernelCalibrator(bandwidth=0.02).fit(prob.to(torch.bfloat16), label)
    fitted.save(tmp_path / "kept.npz")
    seen = prob.to(torch.bfloat16)
    loaded = KernelCalibrator.load(tmp_path / "kept.npz")
    assert torch.equal(loaded.predict_proba(seen), fitted.predict_proba(seen))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_for_other_classes_is_refused(
    rng: np.random.Generator, tmp_path: Path, suffix: str
) -> None:
    path = path_of(tmp_path, suffix)
    prob, label = data(rng)
    for calibrator in map(copy.copy, KINDS.values()):
        calibrator.fit(prob, label).save(path)
        with pytest.raises(ValueError, match=r"must have 3 classes along axis 1 as in fit, got 2:"):
            type(calibrator).load(path).predict_proba(np.full((4, 2), 0.5))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_of_another_kind_is_refused(
    rng: np.random.Generator, tmp_path: Path, suffix: str
) -> None:
    path = path_of(tmp_path, suffix)
    TemperatureScaling().fit(*data(rng)).save(path)
    for other in (VectorScaling, KernelCalibrator):
        words = (
            rf"holds a TemperatureScaling, not a {other.__name__}; write TemperatureScaling\.load"
        )
        with pytest.raises(ValueError, match=words):
            other.load(path)


def test_a_pickle_is_never_loaded(rng: np.random.Generator, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (pytest.fail, ("a pickle was loaded",))

    path = tmp_path / "trap.npz"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ValueError, match="pickles are never loaded") as refused:
        KernelCalibrator.load(path)
    assert "allow_pickle" not in str(refused.value)
    TemperatureScaling().fit(*data(rng)).save(path)
    with np.load(path) as file:
        kept = dict(file)
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array([Trap()], object), allow_pickle=True)
    np.savez(path, header=kept["header"])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("temperature.npy", buffer.getvalue())
    with pytest.raises(ValueError, match="pickles are never loaded"):
        TemperatureScaling.load(path)


def test_other_files_are_refused(rng: np.random.Generator, tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    for content in (b"", b"text", np.random.default_rng(0).bytes(100)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="holds no calibrator of dice_semimetric"):
            KernelCalibrator.load(path)
    np.savez(path, a=np.zeros(3))
    with pytest.raises(ValueError, match="holds no calibrator of dice_semimetric"):
        KernelCalibrator.load(path)
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match="holds no calibrator of dice_semimetric"):
        KernelCalibrator.load(path)
    np.savez(path, header=np.asarray("[" * 100_000))
    with pytest.raises(ValueError, match="holds no calibrator of dice_semimetric"):
        KernelCalibrator.load(path)
    np.savez_compressed(path, header=np.asarray("{}" * 1000), a=np.arange(1000))
    content = bytearray(path.read_bytes())
    content[60:200] = bytes(b ^ 0x55 for b in content[60:200])
    path.write_bytes(content)
    with pytest.raises(ValueError, match="holds no calibrator of dice_semimetric"):
        KernelCalibrator.load(path)
    KernelCalibrator().fit(*data(rng)).save(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match="holds no calibrator of dice_semimetric"):
        KernelCalibrator.load(path)
    with pytest.raises(FileNotFoundError):
        KernelCalibrator.load(tmp_path / "none.npz")
    for name in ("kept", "kept.pkl", "kept.npz.gz"):
        with pytest.raises(ValueError, match=r"path must end with \.npz or \.safetensors, got"):
            KernelCalibrator.load(tmp_path / name)


def test_other_safetensors_are_refused(rng: np.random.Generator, tmp_path: Path) -> None:
    path = path_of(tmp_path, ".safetensors")
    path.write_bytes(b"text")
    with pytest.raises(ValueError, match="holds no calibrator of dice_semimetric"):
        KernelCalibrator.load(path)
    with pytest.raises(FileNotFoundError):
        KernelCalibrator.load(tmp_path / "none.safetensors")


def test_a_damaged_file_is_refused(rng: np.random.Generator, tmp_path: Path) -> None:
    path = tmp_path / "kept.npz"
    KernelCalibrator().fit(*data(rng)).save(path)
    header, arrays = calibrator_file.read(path)
    wrong: list[tuple[dict[str, Any], dict[str, np.ndarray], str]] = [
        ({}, {"key_prob": arrays["key_prob"][:2]}, r"key_prob has shape \(2, "),
        ({}, {"key_weight": arrays["key_weight"][1:]}, "key_weight has shape"),
        ({}, {"key_label": arrays["key_label"].astype(int)}, "dtype int"),
        ({}, {"more": arrays["bandwidth"]}, "must have bandwidth, key_prob"),
        ({"params": {"bandwidth": -1.0}}, {}, "bandwidth"),
        ({"params": {"width": 1.0}}, {}, "width"),
        ({"n_classes": "three"}, {}, "three"),
        ({"n_classes": float("inf")}, {}, "infinity"),
    ]
    for said, held, words in wrong:
        calibrator_file.write(path, header | said, arrays | held)
        with pytest.raises(ValueError, match=f"holds a damaged KernelCalibrator: .*{words}"):
            KernelCalibrator.load(path)
    later = json.dumps(header | {"version": 2})
    np.savez(path, header=np.asarray(later), **arrays)
    with pytest.raises(ValueError, match=r"is of format version 2.*reads version 1; update it"):
        KernelCalibrator.load(path)


def test_a_file_appears_as_a_whole(
    rng: np.random.Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kept.npz"
    fitted = TemperatureScaling().fit(*data(rng))
    fitted.save(path)
    before = path.read_bytes()

    def fails(file: Any, **_: Any) -> None:
        file.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", fails)
    with pytest.raises(OSError, match="no space left"):
        fitted.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_folder_that_is_missing_is_named(
    rng: np.random.Generator, tmp_path: Path, suffix: str
) -> None:
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    fitted = TemperatureScaling().fit(*data(rng))
    folder = tmp_path / "nowhere"
    with pytest.raises(FileNotFoundError) as error:
        fitted.save(folder / f"t{suffix}")
    assert error.value.filename == str(folder)
    assert ".part" not in str(error.value)
    place = tmp_path / f"folder{suffix}"
    place.mkdir()
    with pytest.raises(OSError) as error:
        fitted.save(place)
    assert str(place) in str(error.value)
    assert ".part" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == [place.name]


def test_without_safetensors_the_error_says_what_to_install(
    rng: np.random.Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r"write pip install safetensors, or save as \.npz$"):
        TemperatureScaling().fit(*data(rng)).save(tmp_path / "kept.safetensors")


@pytest.mark.parametrize("cls", CLASSES)
def test_what_is_not_fitted_is_not_saved(cls: type[Calibrator], tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=f"{cls.__name__} must be fitted first: call fit"):
        cls().save(tmp_path / "kept.npz")
    assert not list(tmp_path.iterdir())


def test_a_generator_is_not_kept(rng: np.random.Generator, tmp_path: Path) -> None:
    fitted = KernelCalibrator(rng=rng, bandwidth=np.float32(0.1), n_keys=np.int64(7))
    fitted.fit(*data(np.random.default_rng(1))).save(tmp_path / "kept.npz")
    loaded = KernelCalibrator.load(tmp_path / "kept.npz")
    assert loaded.rng is None
    assert loaded.bandwidth == np.float32(0.1)
    assert loaded.n_keys == 7


def test_options_stay_as_they_were_given() -> None:
    width, rng = np.float64(0.5), np.random.default_rng(0)
    kernel = KernelCalibrator(bandwidth=width, rng=rng)
    assert kernel.get_params()["bandwidth"] is width
    assert kernel.get_params()["rng"] is rng
    assert TemperatureScaling().get_params() == {} == VectorScaling().get_params()
    assert kernel.set_params(n_keys=7) is kernel
    assert kernel.n_keys == 7
    assert kernel.bandwidth is width
    with pytest.raises(ValueError, match="KernelCalibrator has no parameter 'width'; its"):
        kernel.set_params(width=1)
    with pytest.raises(ValueError, match="no parameter 'width'; it has none"):
        TemperatureScaling().set_params(width=1)
    with pytest.raises(ValueError, match="bandwidth must be above 0"):
        kernel.set_params(bandwidth=-1, n_keys=9)
    assert kernel.n_keys == 7  # nothing is changed


def test_what_was_fitted_stays_when_options_change(rng: np.random.Generator) -> None:
    prob, label = data(rng)
    kernel = KernelCalibrator(bandwidth=0.1).fit(prob, label)
    before = kernel.predict_proba(prob)
    np.testing.assert_array_equal(kernel.set_params(bandwidth=1.0).predict_proba(prob), before)
    assert kernel.fit(prob, label).bandwidth_ == 1.0


def test_repr_is_the_call_that_makes_it() -> None:
    assert repr(TemperatureScaling()) == "TemperatureScaling()"
    assert repr(KernelCalibrator()) == "KernelCalibrator()"
    kernel = KernelCalibrator(bandwidth=None, n_keys=20, sampling="proportional")
    text = "KernelCalibrator(bandwidth=None, n_keys=20, sampling='proportional')"
    assert repr(kernel) == text
    assert repr(eval(text)) == text
    assert "Generator" in repr(KernelCalibrator(rng=np.random.default_rng(0)))


@pytest.mark.parametrize("cls", CLASSES)
def test_scikit_learn_clones_and_asks(cls: type[Calibrator], rng: np.random.Generator) -> None:
    base = pytest.importorskip("sklearn.base", reason="scikit-learn clones its estimators")
    from sklearn.exceptions import NotFittedError
    from sklearn.pipeline import make_pipeline
    from sklearn.utils.validation import check_is_fitted

    options = {"rng": np.random.default_rng(0), "bandwidth": 0.1} if cls is CLASSES[2] else {}
    calibrator = cls(**options)
    with pytest.raises(NotFittedError):
        check_is_fitted(calibrator)
    prob, label = data(rng)
    check_is_fitted(calibrator.fit(prob, label))
    clone = base.clone(calibrator)
    assert type(clone) is cls
    assert clone.get_params().keys() == calibrator.get_params().keys()
    with pytest.raises(NotFittedError):
        check_is_fitted(clone)
    made = make_pipeline(base.clone(calibrator)).fit(prob, label).predict_proba(prob)
    np.testing.assert_array_equal(made, clone.fit(prob, label).predict_proba(prob))


def test_scikit_learn_searches_options(rng: np.random.Generator) -> None:
    selection = pytest.importorskip("sklearn.model_selection", reason="it searches options")
    prob, label = data(rng)

    def score(calibrator: Any, prob: np.ndarray, label: np.ndarray) -> float:
        found = calibrator.predict_proba(prob)[np.arange(label.size), label]
        return float(np.log(np.maximum(found, 1e-9)).mean())

    grid = {"bandwidth": [1e-3, 1.0]}
    search = selection.GridSearchCV(KernelCalibrator(), grid, scoring=score, cv=3).fit(prob, label)
    assert search.best_params_ == {"bandwidth": 1.0}  # labels that have nothing to do with prob


@pytest.mark.parametrize("temperature", [float("nan"), 0.0, -1.0])
def test_a_file_with_no_temperature_is_damaged(tmp_path, temperature: float) -> None:
    scaling = TemperatureScaling().fit(np.array([[4.0, 0.0]] * 4), np.array([0, 0, 0, 1]))
    scaling.temperature_ = temperature
    scaling.save(tmp_path / "t.npz")
    with pytest.raises(ValueError, match="damaged"):
        TemperatureScaling.load(tmp_path / "t.npz")
