"""DICOM files into an archive: C-STORE over the network."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rsd_mri.errors import InputError

if TYPE_CHECKING:
    from pynetdicom.association import Association

CALLING = "RSD-MRI"
"""Our own name."""
TIMEOUT = 30.0
"""Seconds for which an archive may say nothing."""


@dataclass(frozen=True)
class Archive:
    """Where images are sent to."""

    host: str
    port: int
    aet: str
    """Application entity title of the archive."""

    @classmethod
    def of(cls, text: str) -> "Archive":
        """Read HOST:PORT,AET.

        Raises
        ------
        InputError
            If it is none.
        """
        place, _, aet = text.rpartition(",")
        host, _, port = place.rpartition(":")
        if not (host and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise InputError(f"--store {text}: expected HOST:PORT,AET, for example localhost:4242,ORTHANC")
        if not (1 <= len(aet.strip()) <= 16 and aet.isascii() and aet.isprintable() and "\\" not in aet):
            raise InputError(f"--store {text}: an application entity title has 1 to 16 plain characters")
        return cls(host.strip("[]"), int(port), aet.strip())

    def __str__(self) -> str:
        return f"{self.host}:{self.port},{self.aet}"

    def check(self) -> None:
        """See that the archive answers, before long work.

        Raises
        ------
        InputError
            If it does not.
        """
        link = self._associate()
        link.release()

    def store(self, files: Sequence[Path]) -> int:
        """Send files; says how many were taken.

        Raises
        ------
        InputError
            If the archive does not answer, or refuses one.
        """
        from pydicom import dcmread

        link = self._associate()
        try:
            for number, path in enumerate(files):
                status = link.send_c_store(dcmread(path))
                # B0xx are warnings: the file was taken.
                if "Status" not in status or not (status.Status == 0 or status.Status >> 8 == 0xB0):
                    code = f"status {status.Status:04X}" if "Status" in status else "no answer"
                    raise InputError(
                        f"--store {self}: the archive took {number} of {len(files)} images and then gave {code}; see "
                        "its log"
                    )
        finally:
            link.release()
        return len(files)

    def _associate(self) -> "Association":
        from pydicom.uid import MRImageStorage, SecondaryCaptureImageStorage
        from pynetdicom import AE, _config
        from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made when it is imported

        _config.LOG_HANDLER_LEVEL = "none"
        try:  # pynetdicom says neither why nothing answers, nor does it close its socket then
            socket.create_connection((self.host, self.port), TIMEOUT).close()
        except OSError as error:
            why = error.strerror or str(error)
            raise InputError(f"--store {self}: the archive does not answer there ({why})") from error
        own = AE(ae_title=CALLING)
        own.acse_timeout = own.dimse_timeout = own.network_timeout = own.connection_timeout = TIMEOUT
        for context in (MRImageStorage, SecondaryCaptureImageStorage, Verification):
            own.add_requested_context(context)
        link = own.associate(self.host, self.port, ae_title=self.aet)
        if link.is_established:
            taken = {context.abstract_syntax for context in link.accepted_contexts}
            if {MRImageStorage, SecondaryCaptureImageStorage} <= taken:
                return link
            link.release()
            raise InputError(f"--store {self}: the archive takes no MR images")
        why = "refused the association; check the titles it knows" if link.is_rejected else "does not speak DICOM there"
        raise InputError(f"--store {self}: the archive {why} (we call ourselves {CALLING})")
