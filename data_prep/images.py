"""Natural images: from a folder, an archive or an array, or the few that come with the libraries."""

import hashlib
import json
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from rsd_mri.errors import InputError
from rsd_mri.files import write_json, written_whole
from rsd_mri.files.below import files_below, readable
from rsd_mri.files.claims import claimed
from rsd_mri.machine.randomness import generator

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
HELD_OUT = 4
"""One part in so many of what comes with the libraries is kept for evaluation."""

PREPARED = "images.npy"
CIFAR_RECORD = 1 + 3 * 32 * 32
"""Bytes of one image of CIFAR-10's binary version: its label, then three planes."""

Split = Literal["train", "held-out"]
Images: TypeAlias = NDArray[np.uint8]


def read_images(source: str | Path, side: int | None) -> Images:
    """Read a folder, zip or tar archive of pictures, CIFAR-10's binary version, a `.npy` array or a prepared folder.

    Pictures are cut to their central square and resized to `side` pixels with a Lanczos filter, as the published
    experiments' data sets were. An array [item, channel, y, x] of bytes is taken as it is, memory-mapped. Of CIFAR-10
    the training images are taken. Without a side pictures are taken whole, as they are; all must be of one size.

    Returns
    -------
    ndarray
        [item, channel, y, x]; three channels unless every picture is grey. Order of the names.

    Raises
    ------
    InputError
        If there is no picture, or one cannot be read.
    """
    source = Path(source)
    if (source / PREPARED).is_file():
        return _array(source / PREPARED, side)
    if source.suffix == ".npy" and source.is_file():
        return _array(source, side)
    found: list[Images] = []
    for name, data in _files(source):
        if name.endswith(".bin"):
            found += _cifar(f"{source}: {name}", data, side)
            continue
        try:
            with Image.open(BytesIO(data)) as picture:
                grey = picture.mode in ("1", "L", "I", "I;16", "F")
                found.append(_square(picture.convert("L" if grey else "RGB"), side))
        except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
            raise InputError(f"{source}: {name} cannot be read as a picture ({error}); remove it") from error
    if not found:
        raise InputError(f"{source}: no pictures found; expected files of {', '.join(SUFFIXES)}")
    sizes = {image.shape[1:] for image in found}
    if len(sizes) > 1:
        raise InputError(f"{source}: pictures of {len(sizes)} sizes; bring them to one with 'rsd-mri prep'")
    channels = max(image.shape[0] for image in found)
    return np.stack([np.broadcast_to(image, (channels, *image.shape[1:])) for image in found])


@dataclass(frozen=True)
class PreparedImages:
    """What was stored."""

    images: int
    channels: int
    side: int
    """Of an image [pixels]."""
    source: str
    sha256: str
    """Of the pixels."""
    out: str
    """The folder."""


def prepare_images(source: str | Path, out: str | Path, side: int) -> PreparedImages:
    """Store pictures as `train` reads them: `images.npy` [item, channel, y, x] of bytes and a `manifest.json`.

    Parameters
    ----------
    source
        As `read_images` takes it.
    out
        The folder; one that holds the same source at the same size already is left as it is.
    side
        Of the stored images [pixels].

    Raises
    ------
    InputError
        As `read_images`.
    """
    source, out = Path(source), Path(out)
    images = read_images(source, side)
    digest = hashlib.sha256(images.tobytes()).hexdigest()
    found = PreparedImages(len(images), images.shape[1], side, source.name, digest, str(out))
    manifest = out / "manifest.json"
    if (out / PREPARED).is_file() and manifest.is_file():
        kept = json.loads(manifest.read_text(encoding="utf-8"))
        if kept.get("sha256") == digest:
            return found
    out.mkdir(parents=True, exist_ok=True)
    with claimed(manifest):
        with written_whole(out / PREPARED) as partial, partial.open("wb") as file:
            np.save(file, images)
        write_json(manifest, asdict(found))
    return found


def photographs(count: int, side: int, seed: int, split: Split = "train") -> Images:
    """Random patches of the colour photographs that come with scikit-image and scikit-learn.

    Of the bands of columns that a photograph is cut into every fourth is kept for evaluation; no patch for training
    shares a column with a held-out one.

    Parameters
    ----------
    count
        Number of patches.
    side
        Of a patch [pixels]; the photographs are shrunk so that a patch shows an eighth of their shorter side or more.
    seed
        Which patches.
    split
        Which part of the photographs.

    Returns
    -------
    ndarray
        [item, 3, y, x].

    Raises
    ------
    InputError
        If the patches are so large that none can be held out.
    """
    from skimage import data
    from sklearn.datasets import load_sample_image

    names = ("astronaut", "chelsea", "coffee", "rocket", "retina", "hubble_deep_field")
    whole = [getattr(data, name)() for name in names]
    whole += [load_sample_image(name) for name in ("china.jpg", "flower.jpg")]
    shrunk = []
    for photograph in whole:
        picture = Image.fromarray(photograph)
        factor = max(1.0, min(picture.size) / (8 * side))
        width, height = (max(side, round(n / factor)) for n in picture.size)
        smaller = picture.resize((width, height), Image.Resampling.LANCZOS)
        pixels = np.asarray(smaller).transpose(2, 0, 1)
        shrunk.append((pixels, _lefts(pixels.shape[2], side, split)))
    patches = []
    for item in range(count):
        rng = np.random.default_rng(generator(seed, "photographs", split, item).initial_seed())
        pixels, lefts = shrunk[int(rng.integers(len(shrunk)))]
        y, x = int(rng.integers(pixels.shape[1] - side + 1)), int(rng.choice(lefts))
        patch = pixels[:, y : y + side, x : x + side]
        patches.append(patch[:, :, ::-1] if rng.random() < 0.5 else patch)
    return np.stack(patches)


def _lefts(width: int, side: int, split: Split) -> NDArray[np.intp]:
    """Left edges of the patches of a split."""
    bands = width // side
    if bands < 2:
        raise InputError(f"patches of {side} pixels leave nothing of the photographs to hold out; take smaller ones")
    held_out = np.arange(width) * bands // width % HELD_OUT == 1
    wanted = held_out if split == "held-out" else ~held_out
    return np.flatnonzero(np.lib.stride_tricks.sliding_window_view(wanted, side).all(1))


def digits(count: int, side: int, seed: int, split: Split = "train") -> Images:
    """Handwritten digits that come with scikit-learn (8x8 pixels), resized; every one once before any twice.

    Returns
    -------
    ndarray
        [item, 1, y, x].
    """
    from sklearn.datasets import load_digits

    scans = load_digits().images
    held_out = np.arange(len(scans)) % HELD_OUT == 0
    kept = scans[held_out if split == "held-out" else ~held_out]
    order = np.random.default_rng(seed).permutation(len(kept))
    bytes_ = np.round(np.minimum(kept / 16, 1) * 255).astype(np.uint8)
    resized = [
        np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))[None] for image in bytes_
    ]
    return np.stack([resized[order[i % len(order)]] for i in range(count)])


SOURCES: dict[str, Callable[[int, int, int, Split], Images]] = {"photographs": photographs, "digits": digits}


def _files(source: Path) -> Iterator[tuple[str, bytes]]:
    if source.is_dir():
        for path in readable(files_below(source)):
            if _wanted(path.relative_to(source).as_posix()):
                yield str(path.relative_to(source)), path.read_bytes()
        return
    try:
        if tarfile.is_tarfile(source):
            with tarfile.open(source) as tar:
                for member in sorted(tar.getmembers(), key=lambda m: m.name):
                    opened = tar.extractfile(member) if member.isfile() and _wanted(member.name) else None
                    if opened is not None:
                        yield member.name, opened.read()
            return
        with zipfile.ZipFile(source) as archive:
            for name in sorted(archive.namelist()):
                if _wanted(name):
                    yield name, archive.read(name)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise InputError(
            f"{source}: expected a folder, a zip or tar archive or a .npy array of images ({error})"
        ) from error


def _wanted(name: str) -> bool:
    folder, _, base = name.lower().rpartition("/")
    # CelebAMask-HQ.zip holds segmentations beside the pictures; macOS adds hidden copies to archives.
    if base.startswith(".") or "mask-anno" in folder or "__macosx" in folder:
        return False
    return base.endswith(SUFFIXES) or (base.startswith("data_batch_") and base.endswith(".bin"))


def _cifar(name: str, data: bytes, side: int | None) -> list[Images]:
    if not data or len(data) % CIFAR_RECORD:
        raise InputError(f"{name}: expected records of {CIFAR_RECORD} bytes, got {len(data)} bytes; fetch it again")
    if side not in (None, 32):
        raise InputError(f"{name}: images of 32x32 pixels; set data.matrix accordingly")
    return list(np.frombuffer(data, np.uint8).reshape(-1, CIFAR_RECORD)[:, 1:].reshape(-1, 3, 32, 32))


def _array(path: Path, side: int | None) -> Images:
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path}: not readable as an array ({error})") from error
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3) or not len(images):
        raise InputError(
            f"{path}: expected bytes [item, channel, y, x] with 1 or 3 channels, got {images.dtype} "
            f"{list(images.shape)}"
        )
    if side is not None and images.shape[2:] != (side, side):
        raise InputError(f"{path}: images of {images.shape[2]}x{images.shape[3]} pixels; set data.matrix accordingly")
    found: Images = images
    return found


def _square(picture: Image.Image, side: int | None) -> Images:
    if side is None:
        return _planes(picture)
    short = min(picture.size)
    left, top = ((n - short) // 2 for n in picture.size)
    cut = picture.crop((left, top, left + short, top + short))
    if short != side:
        cut = cut.resize((side, side), Image.Resampling.LANCZOS)
    return _planes(cut)


def _planes(picture: Image.Image) -> Images:
    array = np.asarray(picture)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
