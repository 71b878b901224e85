"""Texts of the package's files; `@name@` is filled in."""

DOCKERFILE = """\
# rsd-mri @version@ as an MRD server. @use@
FROM --platform=linux/amd64 python:3.11-slim

LABEL "@label@"="@encoded@"

# The CPU build of torch: packagers refuse CUDA above 11.8, and an image with it would be several times larger.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --no-cache-dir torch --index-url ${TORCH_INDEX}

# A wheel in this folder is taken where there is one (`pip wheel --no-deps`), the published version where there is none.
COPY README.md rsd_mri-*.whl /opt/rsd-mri/
RUN pip install --no-cache-dir "$(ls /opt/rsd-mri/rsd_mri-@version@-*.whl 2>/dev/null || echo rsd-mri==@version@)"

# Compiles the kernels, and shows that the prior is inside: the first patient does not wait for either.
RUN rsd-mri simulate /opt/try --volumes 1 --slices 1 --matrix 64 --coils 4 --accel 3 \\
    && rsd-mri recon /opt/try/*.h5 --samples 1 \\
    && rm -r /opt/try

USER root
EXPOSE @port@
CMD ["rsd-mri", "serve", "--host", "0.0.0.0"]
"""

MANUAL = """\
# rsd-mri @version@

**@use@** No medical device; images are marked RESEARCH and have to be kept apart from those of the examination.

## What it does

Raw data come in while the scanner measures; images go back: a classical one at once, then a posterior mean with its
standard deviation and a calibrated interval, slice by slice. Series:

| series | holds |
| --- | --- |
| 1 | classical image (L1-wavelet, or the classical method chosen) |
| 2 | mean of the posterior samples, or the one-step image |
| 3 | standard deviation of the samples |
| 4 | half width of the calibrated interval |
| 11 and on | single samples, where they are asked for |

Every image's description holds RESEARCH and its comment says what speaks against trusting it. The posterior's detail
partly comes from a prior learned from brain images: where its standard deviation is large, the data do not decide.

## Parameters

| name | shown as | values (default in bold) | meaning |
| --- | --- | --- | --- |
@parameters@

## Limits

- Cartesian data: 2-D slices and 3-D slabs, undersampled along lines or in a 2-D pattern, with at least 8 fully sampled
  central lines or calibration lines; EPI. Radial and spiral data are refused.
- At most 256 coils and a matrix of 4096 a side.
- Memory @memory@ MB and @cores@ cores. A slice of 320 x 320 pixels and 8 coils takes about 2 s for the classical image,
  and minutes for a posterior of four samples on two cores. The scan does not wait for it.
- The interval was calibrated on simulated brains: it says nothing of other organs.
- Nothing is stored on disk and nothing of the patient is written into logs.

## Where it runs

The image serves Siemens OpenRecon, Siemens FIRE and any MRD client:

    docker run --rm -p 127.0.0.1:@port@:@port@ @name@:@semver@

The protocol has no password: leave the port on the loopback address or a closed network.
"""

BUILD = """\
#!/usr/bin/env bash
# Builds the image, reconstructs a simulated scan through it, and packs it for OpenRecon. @use@
set -euo pipefail
cd "$(dirname "$0")"

need() { command -v "$1" >/dev/null || { echo "build.sh: $1 is needed and not installed" >&2; exit 1; }; }
need docker
need zip

version=$(docker --version | sed 's/[^0-9]*\\([0-9.]*\\).*/\\1/')
if [ "${version%%.*}" -ge 25 ]; then
    echo "build.sh: docker $version saves images in the OCI layout, which OpenRecon does not load; use docker 24" >&2
    exit 1
fi

image=$(echo "OpenRecon_@vendor@_@name@:V@semver@" | tr '[:upper:]' '[:lower:]')
docker build --platform linux/amd64 -t "$image" -t @name@:@semver@ .

# A simulated scan through the server inside, then the end that a scanner brings about.
container=$(docker run -d --platform linux/amd64 "$image")
trap 'docker rm -f "$container" >/dev/null' EXIT
docker exec "$container" rsd-mri simulate /opt/try --volumes 1 --slices 1 --matrix 64 --coils 4 --accel 3
docker exec "$container" sh -c 'rsd-mri send /opt/try/*.h5 --port @port@ --set samples=2 --json'
docker exec "$container" rm -r /opt/try
docker stop --time 5 "$container" >/dev/null
[ "$(docker inspect --format '{{.State.ExitCode}}' "$container")" = 0 ] || {
    echo "build.sh: the server did not end by itself when it was stopped" >&2
    exit 1
}

if command -v pandoc >/dev/null; then
    pandoc README.md -o "@archive@.pdf"
elif command -v mdpdf >/dev/null; then
    mdpdf README.md "@archive@.pdf"
else
    echo "build.sh: the manual has to be a PDF; install pandoc or mdpdf" >&2
    exit 1
fi
docker save -o "@archive@.tar" "$image"
rm -f "@archive@.zip"
zip -Z deflate "@archive@.zip" "@archive@.tar" "@archive@.pdf"
echo "@archive@.zip"
"""
