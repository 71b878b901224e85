#!/usr/bin/env bash
# mrd-python 2.2.1 (MRD version 2; Python 3.12 or later, named by PYTHON) asks for ismrmrd 1.14.2 or later and so gets 1.15.0, whose header can no
# longer be made empty and filled afterwards. Its `mrd_to_ismrmrd` does so: every file that its own `phantom` or `ismrmrd_to_mrd`
# made is refused with a TypeError. With ismrmrd 1.14.2 both are converted.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3.12}" -m venv venv
venv/bin/pip install -q "mrd-python==2.2.1" "ismrmrd==1.15.0" "numpy==2.4.6"
venv/bin/python -m mrd.tools.phantom -m 32 -c 2 -o phantom.mrd
check() {
    echo "mrd-python" "$(venv/bin/pip list 2> log | grep -i "^mrd-python\|^ismrmrd" | tr -s ' \n' ' ')"
    for name in phantom back; do
        if [ "$name" = back ] && [ ! -e back.mrd ]; then continue; fi
        if venv/bin/python -m mrd.tools.mrd_to_ismrmrd -i "$name.mrd" -o "$name.ismrmrd" 2> log; then
            echo "    $name.mrd: converted, $(stat -c %s "$name.ismrmrd") bytes"
            converted=yes
        else
            echo "    $name.mrd: $(tail -n 1 log)"
            converted=no
        fi
        [ "$converted" = "$1" ]
    done
}
check no
venv/bin/pip install -q "ismrmrd==1.14.2"
check yes
venv/bin/python -m mrd.tools.ismrmrd_to_mrd -i phantom.ismrmrd -o back.mrd
check yes
venv/bin/pip install -q "ismrmrd==1.15.0"
check no
