#!/usr/bin/env bash
# NiiVue 0.69.0 (npm, under node): what `NVImage` makes of images that SimpleITK 2.5.7 and MRtrix3 3.0.3 write. Of NIfTI's complex64, int64,
# int32 and uint32 the last voxel is 0: the last sample, where there is one voxel and its samples in time. A MetaImage or NRRD of four
# dimensions loses its place, an NRRD its voxel sizes, too: 1 mm from the origin. Of several values a voxel, as complex images have in
# both, MetaImage's lie beside each other as if they were voxels, and of NRRD's axis of values is made x. The scale of MIF (a
# scaled NIfTI through mrconvert has it) is left out. Warnings are those of every NRRD and of slanted axes. Scaled NIfTI, MGH and
# three dimensions of one value in all four formats are right to the voxel.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -q -o APT::Sandbox::User=root "mrtrix3=3.0.3-3+b1" libfftw3-double3 libtiff6 libpng16-16 libgomp1 libdeflate0 libjbig0 \
    libjpeg62-turbo liblerc4 libwebp7 > apt.log
for package in *.deb; do dpkg -x "$package" root; done
npm install --silent --no-audit --no-fund --ignore-scripts "@niivue/niivue@0.69.0"
python3 -m venv venv
venv/bin/pip install -q --no-compile "numpy==2.2.6" "nibabel==5.4.2" "simpleitk==2.5.7"
cat > write.py <<'PY'
import json
import os
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk

SHAPE = (6, 5, 4)
turn = np.deg2rad(20)
affine = np.eye(4)
affine[:3, :3] = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]) @ np.diag([-2, 3, 4])
affine[:3, 3] = 10, 20, 30
ramp = np.arange(1, 121).reshape(SHAPE, order="F")
complex_ = (ramp * np.exp(1j * ramp / 20)).astype(np.complex64)
several = np.stack([ramp, ramp + 1000, ramp + 2000], -1)
places = nib.affines.apply_affine(affine, np.moveaxis(np.indices(SHAPE), 0, -1))
truth = {}


def nifti(name, array, scale=None):
    """The file, which the library's own reader has as it should be; the first values of each voxel are what to find."""
    image = nib.Nifti1Image(array, affine, dtype=array.dtype)
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    nib.save(image, name)
    if scale is not None:
        data = bytearray(Path(name).read_bytes())
        data[112:120] = np.array(scale, "<f4").tobytes()
        Path(name).write_bytes(data)
    return expect(name, np.asanyarray(nib.load(name).dataobj))


def expect(name, array):
    first = array[..., 0] if array.ndim == 4 else array
    values = np.stack([first.real, first.imag], -1) if np.iscomplexobj(first) else first[..., None]
    truth[name] = [[list(map(float, place)), list(map(float, value))] for place, value in zip(
        places.reshape(-1, 3), values.reshape(120, -1))]
    return array


def itk(name, image, array):
    sitk.WriteImage(image, name)
    back = sitk.ReadImage(name)
    spatial = np.array([back.TransformIndexToPhysicalPoint((x, y, z, 0)[: back.GetDimension()])[:3] for x, y, z in np.ndindex(SHAPE)])
    assert np.allclose(spatial * [-1, -1, 1], places.reshape(-1, 3), atol=1e-4)
    expect(name, array)


for name, array in (("complex64", complex_), ("int64", ramp.astype("i8")), ("int32", ramp.astype("i4")), ("uint32", ramp.astype("u4")),
                    ("int16", ramp.astype("i2")), ("float32", ramp.astype("f4")), ("four", several.astype("f4"))):  # fmt: skip
    nifti(f"{name}.nii", array)
scaled = nifti("scaled.nii", ramp.astype("i2"), (0.25, -3))
nib.save(nib.MGHImage(ramp.astype("f4"), affine), "float32.mgh")
expect("float32.mgh", ramp)
samples = nib.Nifti1Image(np.full((1, 1, 1, 8), 1 + 2j, np.complex64), affine)
nib.save(samples, "samples.nii")
sitk.ProcessObject.SetGlobalWarningDisplay(False)
for ending in ("mha", "nrrd"):
    for name, array in (("float32", ramp), ("four", several)):
        itk(f"{name}.{ending}", sitk.ReadImage(f"{name}.nii"), array)
    # As a vector's, MetaImage's complex pixels come back from SimpleITK.
    itk(f"complex64.{ending}", sitk.ReadImage("complex64.nii"), complex_)
    vector = sitk.GetImageFromArray(np.ascontiguousarray(several.transpose(2, 1, 0, 3).astype("f4")), isVector=True)
    vector.CopyInformation(sitk.ReadImage("float32.nii"))
    itk(f"vector.{ending}", vector, several)
environment = {**os.environ, "LD_LIBRARY_PATH": str(Path("root/usr/lib/x86_64-linux-gnu").resolve())}
for name, array in (("float32", ramp), ("four", several), ("scaled", scaled)):
    for source, made in ((f"{name}.nii", f"{name}.mif"), (f"{name}.mif", "back.nii")):
        subprocess.run(["root/usr/bin/mrconvert", "-quiet", "-force", source, made, "-strides", "1,2,3,4"[: 2 * array.ndim - 1]],
                       check=True, env=environment)  # fmt: skip
    assert np.allclose(np.sort(np.asanyarray(nib.load("back.nii", mmap=False).dataobj).ravel()), np.sort(array.ravel()))
    expect(f"{name}.mif", array)
Path("truth.json").write_text(json.dumps(truth))
PY
venv/bin/python write.py
cat > show.mjs <<'JS'
import assert from 'node:assert'
import fs from 'node:fs'
import { NVImage } from '@niivue/niivue'

const truth = JSON.parse(fs.readFileSync('truth.json'))
console.log('NiiVue', JSON.parse(fs.readFileSync('node_modules/@niivue/niivue/package.json')).version)
console.warn = console.error = () => {}

async function load(name) {
  const file = fs.readFileSync(name)
  return await NVImage.new(file.buffer.slice(file.byteOffset, file.byteOffset + file.length), name)
}

// How many voxels have their values where they were written, and which is the first that has not.
async function compare(name) {
  const image = await load(name)
  let right = 0
  let wrong = ''
  truth[name].forEach(([place, values], index) => {
    const [x, y, z] = image.mm2vox(place)
    const found = values.map((_, part) => image.getValue(x, y, z, 0, part === 1))
    if (values.every((value, part) => Math.abs(found[part] - value) < 1e-3 * (1 + Math.abs(value)))) right += 1
    else wrong ||= `; voxel ${index} is ${values.map((v) => v.toFixed(2))}, found ${found.map((v) => Number(v).toFixed(2))}`
  })
  const sizes = image.hdr.pixDims.slice(1, 4).map((size) => Number(size.toFixed(2)))
  const origin = image.hdr.affine.slice(0, 3).map((row) => Number(row[3].toFixed(1)) + 0)
  console.log(`${name}: ${right} of ${truth[name].length} voxels right, sizes ${sizes} mm, first voxel at ${origin}${wrong}`)
  return { right, sizes, origin, dims: image.hdr.dims.slice(1, 5) }
}

const right = ['float32.nii', 'int16.nii', 'scaled.nii', 'four.nii', 'float32.mgh', 'float32.mha', 'float32.nrrd', 'float32.mif', 'four.mif']
for (const name of right) assert.equal((await compare(name)).right, 120, `${name} is read otherwise now`)
for (const name of ['complex64.nii', 'int64.nii', 'int32.nii', 'uint32.nii']) assert.equal((await compare(name)).right, 119, name)
const samples = await load('samples.nii')
console.log('eight samples of 1 + 2i in one voxel:', [...samples.img].map((real, t) => `${real} + ${samples.imaginary[t]}i`).join(', '))
assert.ok(samples.img[7] === 0 && samples.imaginary[7] === 0 && samples.img[6] === 1 && samples.imaginary[6] === 2)
const four = await compare('four.mha')
assert.ok(four.right === 0 && four.origin.every((value) => value === 0))
for (const name of ['complex64.mha', 'vector.mha']) {
  const { right, origin } = await compare(name)
  assert.ok(right < 3 && origin.join() === '10,20,30', name)
}
for (const name of ['four.nrrd', 'complex64.nrrd', 'vector.nrrd']) {
  const { right, sizes, origin, dims } = await compare(name)
  assert.ok(right < 3 && sizes.join() === '1,1,1' && origin.join() === '0,0,0', name)
  assert.equal(dims.join(), { four: '6,5,4,3', complex64: '2,6,5,4', vector: '3,6,5,4' }[name.split('.')[0]])
}
assert.equal((await compare('scaled.mif')).right, 0)
process.exit(0)
JS
node show.mjs
