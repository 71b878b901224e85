#!/usr/bin/env bash
# pytest 9.2.0 with pytest-xdist 3.8.0: `--dist loadgroup` does not group. The plugin writes the name of the group into an attribute of a
# test from which pytest 9.2 no longer takes the test's name, so the scheduler never sees it. Nothing is said and all tests pass; but
# tests marked to share a process (a scanner's server, a GPU, data of hundreds of megabytes) run in several at once, and each process
# makes the fixtures of a module or session again. With pytest 9.1.1 the same files run as marked.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > test_groups.py <<'PY'
import os

import pytest


@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("number", range(20))
def test_of_one_group(number):
    with open("seen", "a") as file:
        file.write(os.environ["PYTEST_XDIST_WORKER"] + "\n")
PY
for pytest in 9.1.1 9.2.0; do
  python3 -m venv "venv-$pytest"
  "venv-$pytest/bin/pip" install -q --no-compile "pytest==$pytest" "pytest-xdist==3.8.0"
  rm -f seen
  "venv-$pytest/bin/python" -m pytest -q -p no:cacheprovider -n 2 --dist loadgroup | tail -1
  found=$(sort -u seen | wc -l)
  echo "pytest $pytest, pytest-xdist 3.8.0: the 20 tests of one group ran in $found process(es)"
  case "$pytest" in
    9.1.1) [ "$found" = 1 ] ;;
    *) [ "$found" = 2 ] ;;
  esac || { echo "the behaviour has changed"; exit 1; }
done
