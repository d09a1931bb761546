"""Make the samples that come with the package: `python -m tools.samples`.

Needs scikit-learn and scikit-image, where the originals come from; the package itself needs
neither.  Running it twice gives the same bytes.
"""

import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy

HOME = Path(__file__).parent.parent / "attention_lib" / "teaching" / "samples"

README = """# Samples

Small pieces of public data, so that every page runs without a download. Made by
`python -m tools.samples`; do not edit them, nor this page, by hand.

## digits.npz
- 1,797 handwritten digits: `images` (1797, 8, 8) uint8, 0 to 16; `labels` (1797,) uint8
- from: the test set of *Optical Recognition of Handwritten Digits*, E. Alpaydin and C. Kaynak,
  1998, UCI Machine Learning Repository, <https://doi.org/10.24432/C50P49>, as scikit-learn ships
  it in `datasets/data/digits.csv.gz`
- licence: CC BY 4.0; scikit-learn's copy BSD-3-Clause
- SHA-256 of that file: `{digits}`
- changes: stored as whole numbers in one file

## astronaut.npz
- one photograph, *Eileen Collins*: `pixels` (256, 256, 3) uint8; red, green, blue
- from: NASA Great Images, as scikit-image ships it in `data/astronaut.png`, 512 by 512
- licence: public domain (NASA; no known copyright restrictions)
- SHA-256 of that file: `{astronaut}`
- changes: each pixel is the mean of two by two pixels of the original, rounded
"""


def original(package: str, path: str) -> str:
    """The SHA-256 of a file inside an installed package."""
    found = find_spec(package)
    if found is None or found.origin is None:
        raise SystemExit(f"{package} is missing: install the extra 'test' first")
    return hashlib.sha256((Path(found.origin).parent / path).read_bytes()).hexdigest()


def digits() -> dict[str, numpy.ndarray]:
    """The digits as whole numbers: images (1797, 8, 8) from 0 to 16, labels (1797,)."""
    from sklearn.datasets import load_digits

    loaded = load_digits()
    return dict(images=loaded.images.astype("uint8"), labels=loaded.target.astype("uint8"))


def astronaut() -> dict[str, numpy.ndarray]:
    """The photograph at half its size: pixels (256, 256, 3)."""
    from skimage.data import astronaut

    blocks = astronaut().reshape(256, 2, 256, 2, 3).astype("uint16")
    return dict(pixels=((blocks.sum(axis=(1, 3)) + 2) // 4).astype("uint8"))


def readme() -> str:
    """Where each sample comes from."""
    return README.format(
        digits=original("sklearn", "datasets/data/digits.csv.gz"),
        astronaut=original("skimage", "data/astronaut.png"),
    )


def main() -> None:
    HOME.mkdir(parents=True, exist_ok=True)
    for make in (digits, astronaut):
        path = HOME / f"{make.__name__}.npz"
        numpy.savez_compressed(path, allow_pickle=False, **make())
        print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")
    (HOME / "README.md").write_text(readme())


if __name__ == "__main__":
    main()
