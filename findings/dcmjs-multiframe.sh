#!/usr/bin/env bash
# dcmjs 0.52.2 (npm): `normalizers.Normalizer.normalizeToDataset` makes one multi-frame dataset of the images of a series, as its segmentations need it.
# Given the datasets as `DicomMessage.readFile` and `naturalizeDataset` make them, PixelData a list of one buffer, its frames are all zero; so what
# follows takes the buffer out of the list. Each image's own slope (RescaleSlope, as of quantitative and of scaled MR images) becomes the
# first one's. Unsigned pixels become signed ones: 0 counts as missing, and is guessed to be 1; above 32 767 they are negative. The thickness of
# slices becomes their distance, and of images in time both are 0 (issue 38, closed in 2019, has that for another cause), while nothing says which frame
# is of which time: the times of the files, AcquisitionTime, are put beside the frames in the order of the files, where the frames
# are sorted along the normal. None of it is said.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --ignore-scripts "dcmjs@0.52.2"
python3 -m venv venv
venv/bin/pip install -q --no-compile "numpy==2.2.6" "pydicom==3.0.2"
cat > write.py <<'PY'
from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

ROWS, COLUMNS, SLICES = 4, 6, 3
frame, study, number = 0, generate_uid(), generate_uid()


def write(folder, times, slopes, first=1):
    """Slices of 3 mm every 5 mm along their normal, a file each, time after time; a pixel is `first` and a number for its file."""
    Path(folder).mkdir()
    for index in range(times * SLICES):
        time, slice_ = divmod(index, SLICES)
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        image.SOPClassUID, image.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
        image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = study, number, generate_uid()
        image.PatientName, image.PatientID, image.StudyDate, image.StudyTime = "phantom", "1", "20260101", "101010"
        image.SeriesDate, image.SeriesTime, image.AcquisitionDate, image.AcquisitionTime = "20260101", "101010", "20260101", f"10101{time}"
        image.PatientBirthDate = image.PatientSex = image.AccessionNumber = image.ReferringPhysicianName = ""
        image.SeriesDescription = image.StudyDescription = "phantom"
        image.StudyID, image.SeriesNumber, image.AcquisitionNumber, image.InstanceNumber = "1", 1, time + 1, index + 1
        image.TemporalPositionIdentifier, image.NumberOfTemporalPositions = time + 1, times
        image.Modality, image.Manufacturer, image.ImageType = "MR", "phantom", ["ORIGINAL", "PRIMARY", "M", "NONE"]
        image.ScanningSequence, image.SequenceVariant, image.ScanOptions, image.MRAcquisitionType = "GR", "NONE", "", "2D"
        image.RepetitionTime, image.EchoTime, image.EchoTrainLength, image.PatientPosition = 100, 5, 1, "HFS"
        image.SliceThickness, image.SpacingBetweenSlices, image.PixelSpacing = 3, 5, [2, 2]
        image.ImagePositionPatient, image.ImageOrientationPatient = [-20, -30, 40 + 5 * slice_], [1, 0, 0, 0, 1, 0]
        image.SamplesPerPixel, image.PhotometricInterpretation, image.PixelRepresentation = 1, "MONOCHROME2", 0
        image.Rows, image.Columns, image.BitsAllocated, image.BitsStored, image.HighBit = ROWS, COLUMNS, 16, 16, 15
        image.RescaleSlope, image.RescaleIntercept, image.RescaleType = slopes[index], 0, "US"
        image.PixelData = np.full((ROWS, COLUMNS), first + index, "<u2").tobytes()
        image.save_as(f"{folder}/{index}.dcm", enforce_file_format=True)


write("slopes", 1, [1, 2, 3])
write("large", 1, [1] * 3, 40000)
write("time", 2, [1] * 6)
PY
venv/bin/python write.py
cat > show.mjs <<'JS'
import assert from 'node:assert'
import fs from 'node:fs'
import dcmjs from 'dcmjs'

const { DicomMessage, DicomMetaDictionary } = dcmjs.data
console.log('dcmjs', JSON.parse(fs.readFileSync('node_modules/dcmjs/package.json')).version)
for (const level of ['warn', 'error', 'log']) dcmjs.log[level] = (...words) => assert.fail(words.join(' '))

function read(folder, buffers = true) {
  return fs.readdirSync(folder).sort().map((name) => {
    const file = fs.readFileSync(`${folder}/${name}`)
    const message = DicomMessage.readFile(file.buffer.slice(file.byteOffset, file.byteOffset + file.length))
    const dataset = DicomMetaDictionary.naturalizeDataset(message.dict)
    dataset._meta = DicomMetaDictionary.namifyDataset(message.meta)
    if (buffers) dataset.PixelData = dataset.PixelData[0]
    return dataset
  })
}

// The frames as the made dataset describes them: place, pixel, value, time.
function frames(dataset) {
  const shared = dataset.SharedFunctionalGroupsSequence
  const transformation = shared.PixelValueTransformationSequence
  const Pixels = dataset.PixelRepresentation === 1 ? Int16Array : Uint16Array
  const pixels = new Pixels(dataset.PixelData)
  return dataset.PerFrameFunctionalGroupsSequence.map((groups, index) => {
    const own = groups.PixelValueTransformationSequence ?? transformation
    const pixel = pixels[index * dataset.Rows * dataset.Columns]
    return {
      z: groups.PlanePositionSequence.ImagePositionPatient[2],
      pixel,
      value: pixel * own.RescaleSlope + Number(own.RescaleIntercept),
      time: groups.FrameContentSequence.FrameAcquisitionDateTime.slice(-2)
    }
  })
}

// What the files say of the same images, in the order of the places.
function truth(datasets) {
  return datasets.map((dataset) => {
    const pixel = new Uint16Array(dataset.PixelData)[0]
    return { z: dataset.ImagePositionPatient[2], pixel, value: pixel * dataset.RescaleSlope, time: dataset.AcquisitionTime.slice(-2) }
  }).sort((one, other) => other.z - one.z)
}

const line = (rows, name) => rows.map((row) => row[name]).join(' ')
const normalize = dcmjs.normalizers.Normalizer.normalizeToDataset
const plain = frames(normalize(read('slopes', false)))
console.log('PixelData as read: pixels', line(plain, 'pixel'))
assert.ok(plain.every((frame) => frame.pixel === 0))

for (const folder of ['slopes', 'large', 'time']) {
  const files = read(folder)
  const expected = truth(files)
  const dataset = normalize(files)
  const found = frames(dataset)
  const { SpacingBetweenSlices: distance, SliceThickness: thickness } = dataset.SharedFunctionalGroupsSequence.PixelMeasuresSequence
  console.log(`${folder}: z ${line(found, 'z')}, values ${line(found, 'value')}, in the files ${line(expected, 'value')}`)
  console.log(`  seconds ${line(found, 'time')}, in the files ${line(expected, 'time')}; thickness ${thickness} mm, distance ${distance} mm`)
  assert.equal(line(found, 'z'), line(expected, 'z'))
  assert.equal(dataset.PixelRepresentation, 1)
  if (folder === 'slopes') {
    assert.equal(line(found, 'pixel'), line(expected, 'pixel'))
    assert.equal(line(found, 'value'), line(expected, 'pixel'), 'slopes are kept now')
    assert.ok(distance === 5 && thickness === 5)
  } else if (folder === 'large') {
    assert.ok(found.every((frame, index) => frame.value === expected[index].value - 65536), 'pixels stay unsigned now')
  } else {
    assert.ok(distance === 0 && thickness === 0, 'distances are found now')
    assert.equal(line(found, 'pixel'), line(expected, 'pixel'))
    assert.notEqual(line(found, 'time'), line(expected, 'time'), 'times follow their frames now')
    assert.ok(!JSON.stringify(dataset.PerFrameFunctionalGroupsSequence).includes('Temporal'))
  }
}
JS
node show.mjs
